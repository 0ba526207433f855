//! Ignored parts of a request are named in a warning, with the nearest known name.

use super::survey::{ONE, Server, header};

async fn warning(server: &Server, path: &str) -> String {
    let answer = server.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    header(&answer, "x-diaflight-warning").to_string()
}

#[tokio::test]
async fn what_was_perhaps_meant_is_named() {
    let server = Server::filled().await;
    for (endpoint, more, told) in [
        ("sources", "colums=r:ra", "ignored arguments: colums (perhaps columns)"),
        (
            "objects",
            "output_format=csv",
            "ignored arguments: output_format (perhaps output-format)",
        ),
        ("sources", "withuperlim=true", "ignored arguments: withuperlim (perhaps withupperlim)"),
        ("fp", "asof=0&radius=1", "ignored arguments: asof (perhaps as_of), radius"),
        ("fp", "midpointMjdTai=61105", "ignored arguments: midpointMjdTai"),
        ("sources", "columns=psfFlux,r:ra", "unknown columns: psfFlux (perhaps r:psfFlux)"),
        ("sources", "columns=r:psfflux", "unknown columns: r:psfflux (perhaps r:psfFlux)"),
        ("sources", "columns=r:nothing", "unknown columns: r:nothing"),
        ("sources", "as_of=2999-01-01T00:00:00Z", "as_of is in the future"),
        ("schema", "endpoint=/api/v1/fp&as_of=0", "as_of"),
        ("sources", "as_of=0&as_of=1", "ignored arguments: as_of given again (the first counts)"),
        ("sources", "columns=r:psfFlux&columns=r:diaObjectId", ""),
    ] {
        let path = format!("/api/v1/{endpoint}?diaObjectId={ONE}&{more}");
        let warning = warning(&server, &path).await;
        assert!(
            warning.contains(told) && told.is_empty() == warning.is_empty(),
            "{path}: {warning}"
        );
    }
    let page = server.get(&format!("/{ONE}?as_of=0")).await.text().await.unwrap();
    assert!(page.contains("takes no arguments but ids: as_of."), "{page}");
    for path in [
        format!("/objects?diaObjectId={ONE},7&as_of=0"),
        format!("/objects?diaObjectId={ONE}&as_of=0"),
    ] {
        let page = server.get(&path).await.text().await.unwrap();
        assert!(page.contains("takes no arguments but ids: as_of."), "{path}: {page}");
    }
    let missing = server.get(&format!("/api/v1/sources?diaObject={ONE}")).await;
    assert_eq!(missing.status(), 400);
    assert!(missing.text().await.unwrap().contains("diaObject (perhaps diaObjectId)"));
    server.stop().await;
}
