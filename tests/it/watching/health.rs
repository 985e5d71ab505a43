//! `oms healthcheck`, which is what containers ask.

use testkit::TestDatabase;

use crate::support::processes::{Site, free_address};

#[tokio::test]
async fn a_health_check_is_green_for_what_runs_and_red_for_what_does_not() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let (mut server, mut worker) = (site.serve_only().await, site.worker().await);
    let (listen, metrics) = (server.address().to_string(), worker.metrics().await.to_string());
    let (api, numbers) = ([("OMS_LISTEN", listen.as_str())], [("OMS_METRICS_LISTEN", metrics.as_str())]);
    let nowhere = free_address().to_string();
    let url = format!("http://{listen}/healthz");

    assert_eq!(site.run(&["healthcheck"], &api, "").await.0, Some(0));
    assert_eq!(site.run(&["healthcheck", "--worker"], &numbers, "").await.0, Some(0));
    assert_eq!(site.run(&["healthcheck", "--url", &url], &[], "").await.0, Some(0));
    assert_eq!(site.run(&["healthcheck"], &[("OMS_LISTEN", &nowhere)], "").await.0, Some(1));
    let (code, said) = site.run(&["healthcheck", "--worker"], &[("OMS_METRICS_LISTEN", "")], "").await;
    assert_eq!(code, Some(1));
    assert!(said.contains("OMS_METRICS_LISTEN is not set"), "{said}");
    server.kill();
    worker.kill();
    assert_eq!(site.run(&["healthcheck"], &api, "").await.0, Some(1));
    assert_eq!(site.run(&["healthcheck", "--worker"], &numbers, "").await.0, Some(1));
}
