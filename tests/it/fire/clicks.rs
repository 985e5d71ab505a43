//! M-03: double clicks, and a lot of them.

use crate::journeys::commands::double_clicks;

#[tokio::test]
#[ignore = "fire: 90 s"]
async fn m_03_fifty_rounds_of_eight_double_clicks_on_six_commands_over_two_servers() {
    double_clicks(25).await;
}
