//! Pictures: what is taken, what is refused, what is kept, how it is handed out (guarantee I-04).

use std::io::Cursor;

use catalog::media;
use chrono::TimeDelta;
use futures_util::TryStreamExt;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage, codecs::webp::WebPEncoder};
use object_store::ObjectStore;
use poem::http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Person, Shop, customer, id, operator, stranger};

/// A picture with some life in it, all of one transparency.
pub fn picture(width: u32, height: u32, color: [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = color;
        let shade = u8::try_from((x * 7 + y * 13) % 50).unwrap();
        Rgba([r.wrapping_add(shade), g.wrapping_add(shade), b, a])
    })
}

pub fn png(width: u32, height: u32, color: [u8; 4]) -> Vec<u8> {
    encoded(&DynamicImage::ImageRgba8(picture(width, height, color)), ImageFormat::Png)
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(
        &DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(picture(width, height, [90, 30, 10, 255])).into_rgb8()),
        ImageFormat::Jpeg,
    )
}

pub fn webp(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = DynamicImage::ImageRgba8(picture(width, height, [9, 9, 200, alpha]));
    image.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)).unwrap();
    bytes
}

pub fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Metadata of a JPEG: held sideways (orientation 6), with a remark.
pub fn exif_jpeg(width: u32, height: u32, remark: &[u8]) -> Vec<u8> {
    let tiff = [&b"Exif\0\0MM\0*\0\0\0\x08"[..], &[0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0], remark]
        .concat();
    let plain = jpeg(width, height);
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &tiff, &plain[2..]].concat()
}

pub async fn shop() -> (Shop, Person, String) {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 100).await;
    let path = format!("/products/{}/images", id(&product));
    (shop, alice, path)
}

pub async fn stored(shop: &Shop) -> Vec<String> {
    let files: Vec<_> = shop.media.list(None).try_collect().await.unwrap();
    files.into_iter().map(|file| file.location.to_string()).collect()
}

/// The path of an address that we handed out.
pub fn local(url: &Value) -> String {
    url.as_str().unwrap().strip_prefix("http://shop.test/v1").unwrap().to_owned()
}

#[tokio::test]
async fn i_04_a_picture_is_kept_under_the_hash_of_its_bytes_and_handed_out_safely() {
    let (shop, alice, path) = shop().await;
    for (file, kind, extension) in [
        (jpeg(640, 400), "image/jpeg", "jpg"),
        (png(640, 400, [1, 1, 1, 255]), "image/jpeg", "jpg"),
        (png(640, 400, [1, 1, 1, 100]), "image/png", "png"),
        (webp(640, 400, 255), "image/jpeg", "jpg"),
        (webp(640, 400, 7), "image/png", "png"),
    ] {
        let product = shop.upload(&alice, Method::POST, &path, "photo", file).await.ok(201);
        let image = product["images"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&image["width"], &image["height"]), (&json!(640), &json!(400)));
        let (url, small) = (local(&image["url"]), local(&image["thumbnail_url"]));
        let answer = shop.get(&stranger(), &url).await;
        assert_eq!(answer.status, 200);
        assert_eq!(url, format!("/media/{}.{extension}", hex::encode(Sha256::digest(&answer.bytes))));
        for (header, value) in [
            ("content-type", kind),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("content-disposition", "inline"),
            ("content-security-policy", "default-src 'none'"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{header}");
        }
        let small = image::load_from_memory(&shop.get(&stranger(), &small).await.bytes).unwrap();
        assert_eq!((small.width(), small.height()), (320, 200));
    }
}

#[tokio::test]
async fn a_photograph_stands_upright() {
    let (shop, alice, path) = shop().await;
    let product = shop.upload(&alice, Method::POST, &path, "a.jpg", exif_jpeg(60, 20, b"")).await.ok(201);
    let image = &product["images"][0];
    assert_eq!((&image["width"], &image["height"]), (&json!(20), &json!(60)));
    let shown = image::load_from_memory(&shop.get(&stranger(), &local(&image["url"])).await.bytes).unwrap();
    assert_eq!((shown.width(), shown.height()), (20, 60));
}

#[tokio::test]
async fn i_04_no_name_leads_out_of_the_directory() {
    let (directory, outside) = (std::env::temp_dir().join(format!("oms-media-{}", std::process::id())), "secret.txt");
    std::fs::create_dir_all(directory.join("media")).unwrap();
    std::fs::write(directory.join(outside), "secret").unwrap();
    let address = format!("file://{}/media", directory.display());
    let shop = Shop::with_media(media::open_store(&address, []).unwrap()).await;
    let hash = "ab".repeat(32);
    for name in [
        "..%2fsecret.txt".to_owned(),
        "..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "%2e%2e%2fsecret.txt".to_owned(),
        "....%2f%2fsecret.txt".to_owned(),
        "..%5csecret.txt".to_owned(),
        "%2fetc%2fpasswd".to_owned(),
        "secret.txt".to_owned(),
        "secret.txt%00.jpg".to_owned(),
        format!("{hash}.jpg%00"),
        format!("{hash}.svg"),
        format!("..%2f{hash}.jpg"),
        format!("{hash}.jpg%2f..%2f..%2fsecret.txt"),
    ] {
        let answer = shop.get(&stranger(), &format!("/media/{name}")).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(!answer.bytes.windows(6).any(|window| window == b"secret"), "{name}");
    }
    shop.get(&stranger(), &format!("/media/{hash}.jpg")).await.refused(404, "not_found");
    let alice = customer();
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 100).await;
    let path = format!("/products/{}/images", id(&product));
    shop.upload(&alice, Method::POST, &path, "../../../../tmp/evil.jpg", jpeg(9, 9)).await.ok(201);
    let files: Vec<_> =
        std::fs::read_dir(directory.join("media")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn pictures_are_the_affair_of_the_products_own_people() {
    let (shop, alice, path) = shop().await;
    let mallory = customer();
    shop.business(&mallory, "Thistle").await;
    let product = shop.upload(&alice, Method::POST, &path, "a.jpg", jpeg(9, 9)).await.ok(201);
    let image = format!("{path}/{}", id(&product["images"][0]));
    let order = json!({ "images": [id(&product["images"][0])] });
    for (person, status, code) in [(&mallory, 404, "not_found"), (&stranger(), 401, "unauthenticated")] {
        shop.upload(person, Method::POST, &path, "a.jpg", jpeg(9, 9)).await.refused(status, code);
        shop.put(person, &path, order.clone()).await.refused(status, code);
        shop.delete(person, &image).await.refused(status, code);
    }
    shop.put(&operator(), &path, order).await.ok(200);
    shop.delete(&alice, &image).await.ok(204);
    shop.delete(&alice, &image).await.refused(404, "not_found");
    assert_eq!(shop.post(&alice, &path, json!({ "file": "x" })).await.status, 415);
}

#[tokio::test]
async fn pictures_are_ordered_counted_and_never_shown_twice() {
    let (shop, alice, path) = shop().await;
    for width in 1..=20 {
        shop.upload(&alice, Method::POST, &path, "a.jpg", jpeg(width, 5)).await.ok(201);
    }
    // The same picture again is the same picture, also when there is no room.
    let product = shop.upload(&alice, Method::POST, &path, "b.jpg", jpeg(1, 5)).await.ok(201);
    assert_eq!(product["images"].as_array().unwrap().len(), 20);
    shop.upload(&alice, Method::POST, &path, "c.jpg", jpeg(21, 5)).await.refused(409, "too_many");
    let mut order: Vec<&str> = product["images"].as_array().unwrap().iter().map(id).collect();
    order.reverse();
    let turned = shop.put(&alice, &path, json!({ "images": order })).await.ok(200);
    assert_eq!(turned["images"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), order);
    let twice = [&order[..19], &order[..1]].concat();
    for bad in [&order[..19], &[][..], &twice] {
        shop.put(&alice, &path, json!({ "images": bad })).await.refused(409, "image_order");
    }
    assert_eq!(turned["version"], 1);
}

#[tokio::test]
async fn what_nothing_shows_is_swept_away_after_a_day() {
    let (shop, alice, path) = shop().await;
    let product = shop.upload(&alice, Method::POST, &path, "a.jpg", jpeg(400, 9)).await.ok(201);
    shop.upload(&alice, Method::POST, &path, "b.jpg", jpeg(500, 9)).await.ok(201);
    shop.delete(&alice, &format!("{path}/{}", id(&product["images"][0]))).await.ok(204);
    assert_eq!(stored(&shop).await.len(), 4);
    // The store dates its files by the clock on the wall.
    let now = kernel::Clock::now(&kernel::SystemClock);
    let sweep = async |at| media::sweep(&mut *shop.conn().await, &shop.media, at).await.unwrap();
    assert_eq!(sweep(now + TimeDelta::hours(23)).await, 0);
    assert_eq!(sweep(now + TimeDelta::hours(25)).await, 2);
    assert_eq!(sweep(now + TimeDelta::hours(25)).await, 0);
    let product = shop.get(&alice, path.strip_suffix("/images").unwrap()).await.ok(200);
    assert_eq!(shop.get(&stranger(), &local(&product["images"][0]["url"])).await.status, 200);
}
