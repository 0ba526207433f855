//! A client that looks objects up, and runs a statement, while a server is attacked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::victim::{Victim, run};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Bystander {
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    asking: JoinHandle<()>,
}

impl Bystander {
    pub async fn of(victim: &Victim) -> Self {
        let (stopped, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, count) = (stopped.clone(), answered.clone());
        let url = format!("{}{}", victim.url, victim.survey.lookup(1, 0));
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let flight = victim.flight().await;
        let asking = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
                timeout(PATIENCE, run(flight.clone(), "SELECT 1")).await.unwrap().unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self { stopped, answered, asking }
    }

    pub async fn end(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.asking.await.expect("a bystander was not answered");
        assert!(self.answered.load(Ordering::Relaxed) > 0);
    }
}
