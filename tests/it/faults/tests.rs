//! The proxy injects the planned faults, and forwards everything else.

use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};

use super::*;

/// The bucket through a proxy, by a client that tries once.
fn store(proxy: &Proxy, bucket: &str) -> impl ObjectStore {
    let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(once);
    for (key, value) in proxy.variables() {
        builder = builder.with_config(key.to_lowercase().parse().unwrap(), value);
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn requests_go_through_or_fail_as_planned() {
    let bucket = Bucket::create("faults").await;
    let proxy = Proxy::of(&bucket);
    let (through, direct) = (store(&proxy, "faults"), bucket.store());
    let put = async |name: &str| through.put(&Path::from(name), vec![7; 5000].into()).await;
    let there = async |name: &str| direct.head(&Path::from(name)).await.is_ok();

    put("a/as it is").await.unwrap();
    assert!(there("a/as it is").await);
    proxy.fail("PUT", "/faults/a/*.parquet", 1, Fault::Refuse);
    put("a/refused").await.unwrap();
    put("a/x.parquet").await.unwrap_err();
    assert!(!there("a/x.parquet").await);
    put("a/x.parquet").await.unwrap();
    proxy.fail("PUT", "lost", 1, Fault::LoseAnswer);
    proxy.fail("PUT", "hung", 1, Fault::HangUp);
    for name in ["lost", "hung"] {
        put(name).await.unwrap_err();
        assert!(there(name).await, "{name}");
    }
    proxy.fail("GET", "lost", 9, Fault::CutAfter(4000));
    let cut = through.get(&Path::from("lost")).await.unwrap();
    assert!(cut.bytes().await.is_err());
    proxy.heal();
    let whole = through.get(&Path::from("lost")).await.unwrap().bytes().await.unwrap();
    assert_eq!(whole, vec![7; 5000]);
    proxy.fail("GET", "lost", 1, Fault::Trickle(20_000));
    let slow = through.get(&Path::from("lost")).await.unwrap().bytes().await.unwrap();
    assert_eq!(slow, whole);

    let create =
        async || through.put_opts(&Path::from("once"), "1".into(), PutMode::Create.into()).await;
    create().await.unwrap();
    create().await.unwrap_err();
    proxy.fail("PUT", "once", 1, Fault::Unconditional);
    create().await.unwrap();
    assert!(proxy.asked().iter().any(|asked| asked.starts_with("GET /faults/lost")));
}
