//! M-04: the last units, and everybody wants them.

use std::time::{Duration, Instant};

use testkit::TestDatabase;

use super::arrange::{assert_sound, buyers, count, order, shelf};
use crate::support::{
    load::{Dice, spread},
    processes::Site,
};

const CONNECTIONS: usize = 64;

#[tokio::test]
async fn m_04_a_thousand_buyers_get_a_hundred_units_ten_times_in_a_row() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, 1_000).await;
    let variants = shelf(&mut conn, &[100; 10]).await;
    let (first, second) = (site.serve_only().await, site.another().await);
    let servers = [first.address(), second.address()];

    let began = Instant::now();
    for (round, &variant) in variants.iter().enumerate() {
        let (body, key) = (order(&[(variant, 1)]), format!("round-{round}"));
        let everybody = buyers.iter().collect();
        let answers =
            spread(everybody, CONNECTIONS, &servers, async |client, buyer| buyer.place(client, &key, &body).await)
                .await;
        let sold = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| answer.is_problem(409, "out_of_stock")).count();
        let other = answers.iter().find(|answer| answer.status != 201 && !answer.is_problem(409, "out_of_stock"));
        assert_eq!((sold, refused), (100, 900), "round {round}: {other:?}");
        assert_eq!(count(&mut conn, "orders.orders").await, 100 * (i64::try_from(round).unwrap() + 1));
        assert_sound(&database, &[]).await;
    }
    let rate = 10_000.0 / began.elapsed().as_secs_f64();
    println!("M-04: ten rounds of 1,000 buyers for 100 units: 100 sold, 900 refused each; {rate:.0} answers a second");
    let same_buyer = "(SELECT FROM orders.orders o JOIN orders.lines l ON l.order_id = o.id \
         GROUP BY o.customer_id, l.variant_id HAVING count(*) > 1) x";
    assert_eq!(count(&mut conn, same_buyer).await, 0);
}

/// How long the longest of these tests lasts.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
fn seconds() -> u64 {
    std::env::var("OMS_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

#[tokio::test]
async fn m_04_orders_of_three_lines_in_any_order_never_fail_each_other() {
    let length = Duration::from_secs(seconds());
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, CONNECTIONS).await;
    // The last one sells out on the way.
    let variants = shelf(&mut conn, &[10_000_000, 10_000_000, 10_000_000, 10_000_000, 3_000]).await;
    let (first, second) = (site.serve_only().await, site.another().await);
    let servers = [first.address(), second.address()];

    let began = Instant::now();
    let everybody = buyers.iter().zip(0..).collect();
    let tallies = spread(everybody, CONNECTIONS, &servers, async |client, (buyer, number)| {
        let (mut dice, mut sold, mut refused) = (Dice::new(number), 0_i64, 0_i64);
        while began.elapsed() < length {
            let mut some = variants.clone();
            dice.shuffle(&mut some);
            let lines: Vec<_> =
                some.into_iter().take(3).map(|variant| (variant, i32::try_from(dice.throw(3)).unwrap() + 1)).collect();
            let answer = buyer.place(client, &format!("{}", sold + refused), &order(&lines)).await;
            if answer.status == 201 {
                sold += 1;
            } else {
                assert!(answer.is_problem(409, "out_of_stock"), "{} {}", answer.status, answer.text());
                refused += 1;
            }
        }
        (sold, refused)
    })
    .await;
    let took = began.elapsed().as_secs_f64();
    let sold: i64 = tallies.iter().map(|(sold, _)| sold).sum();
    let refused: i64 = tallies.iter().map(|(_, refused)| refused).sum();
    let rate = f64::from(i32::try_from(sold).unwrap()) / took;
    println!("M-04: three lines over five variants, {took:.0} s: {sold} sold ({rate:.0} a second), {refused} refused");
    assert_eq!(count(&mut conn, "orders.orders").await, sold);
    assert_eq!(count(&mut conn, "orders.lines").await, 3 * sold);
    assert_sound(&database, &[]).await;
}
