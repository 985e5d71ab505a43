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
fn picture(width: u32, height: u32, color: [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = color;
        let shade = u8::try_from((x * 7 + y * 13) % 50).unwrap();
        Rgba([r.wrapping_add(shade), g.wrapping_add(shade), b, a])
    })
}

pub fn png(width: u32, height: u32, color: [u8; 4]) -> Vec<u8> {
    encoded(&DynamicImage::ImageRgba8(picture(width, height, color)), ImageFormat::Png)
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(
        &DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(picture(width, height, [90, 30, 10, 255])).into_rgb8()),
        ImageFormat::Jpeg,
    )
}

fn webp(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = DynamicImage::ImageRgba8(picture(width, height, [9, 9, 200, alpha]));
    image.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)).unwrap();
    bytes
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

/// A PNG that says it is larger than it is.
fn boasting_png(width: u32, height: u32) -> Vec<u8> {
    let honest = png(2, 2, [1, 2, 3, 255]);
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [&honest[..8], &chunk(b"IHDR", &header), &honest[33..]].concat()
}

fn boasting_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg(16, 16);
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A lossless WebP that says it is larger than it is.
fn boasting_webp(side: u32) -> Vec<u8> {
    let mut bytes = webp(4, 4, 255);
    let start = bytes.windows(4).position(|four| four == b"VP8L").unwrap() + 9;
    bytes[start..start + 4].copy_from_slice(&((side - 1) | ((side - 1) << 14)).to_le_bytes());
    bytes
}

/// Metadata of a JPEG: held sideways (orientation 6), with a remark.
fn exif_jpeg(width: u32, height: u32, remark: &[u8]) -> Vec<u8> {
    let tiff = [&b"Exif\0\0MM\0*\0\0\0\x08"[..], &[0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0], remark]
        .concat();
    let plain = jpeg(width, height);
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &tiff, &plain[2..]].concat()
}

async fn shop() -> (Shop, Person, String) {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 100).await;
    let path = format!("/products/{}/images", id(&product));
    (shop, alice, path)
}

async fn stored(shop: &Shop) -> Vec<String> {
    let files: Vec<_> = shop.media.list(None).try_collect().await.unwrap();
    files.into_iter().map(|file| file.location.to_string()).collect()
}

/// The path of an address that we handed out.
fn local(url: &Value) -> String {
    url.as_str().unwrap().strip_prefix("http://shop.test/v1").unwrap().to_owned()
}

#[tokio::test]
async fn hostile_files_are_refused_and_nothing_is_kept() {
    let (shop, alice, path) = shop().await;
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let mut wrong_sum = png(20, 20, [9, 9, 9, 255]);
    let end = wrong_sum.len() - 20;
    wrong_sum[end] ^= 0xff;
    let mut headless = jpeg(20, 20);
    let frame = headless.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    headless[frame + 1] = 0xc8;
    let unsupported = |bytes: &[u8]| (bytes.to_vec(), 415, "unsupported_image");
    let broken = |bytes: Vec<u8>| (bytes, 400, "image_broken");
    let huge = |bytes: Vec<u8>| (bytes, 400, "image_dimensions");
    let corpus = [
        ("nothing", unsupported(b"")),
        ("svg", unsupported(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")),
        ("svg with a prologue", unsupported(b"<?xml version='1.0'?><svg/>")),
        ("html", unsupported(b"<!doctype html><script>alert(1)</script>")),
        ("gif", unsupported(b"GIF89a\x01\0\x01\0\0\0\0;")),
        ("gif and script", unsupported(b"GIF89a/*\x01\0*/=1;alert(1)")),
        ("bmp", unsupported(b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0")),
        ("tiff", unsupported(b"II*\0\x08\0\0\0")),
        ("icon", unsupported(b"\0\0\x01\0\x01\0")),
        ("avif", unsupported(b"\0\0\0\x20ftypavif\0\0\0\0")),
        ("pdf", unsupported(b"%PDF-1.7\n%\xff\xd8\xff")),
        ("zip", unsupported(b"PK\x03\x04\x14\0\0\0")),
        ("program", unsupported(b"\x7fELF\x02\x01\x01\0")),
        ("php", unsupported(b"<?php system($_GET['c']); ?>")),
        ("sound", unsupported(b"RIFF\x24\0\0\0WAVEfmt ")),
        ("jpeg after a blank", unsupported(&[b" ", &jpeg(8, 8)[..]].concat())),
        ("png with a line end of its own", unsupported(b"\x89PNG\n\x1a\n\0\0\0\0")),
        ("only the first bytes of a jpeg", broken(vec![0xff, 0xd8, 0xff, 0xe0])),
        ("only the first bytes of a png", broken(b"\x89PNG\r\n\x1a\n".to_vec())),
        ("only the first bytes of a webp", broken(b"RIFF\x1a\0\0\0WEBP".to_vec())),
        ("half a jpeg", broken(half(jpeg(300, 300)))),
        ("half a jpeg with metadata", broken(half(exif_jpeg(300, 300, b"\xff\xd9")))),
        ("half a png", broken(half(png(200, 200, [5, 5, 5, 255])))),
        ("half a webp", broken(half(webp(200, 200, 255)))),
        ("jpeg of a kind that does not exist", broken(headless)),
        ("jpeg and then html, no picture", broken([b"\xff\xd8\xff\xe0", &b"<script>alert(1)</script>"[..]].concat())),
        ("png with a wrong checksum", broken(wrong_sum)),
        ("png without pixels", broken(boasting_png(0, 0))),
        ("png larger than its data", broken(boasting_png(500, 500))),
        ("png bomb", huge(boasting_png(60_000, 60_000))),
        ("png bomb that overflows", huge(boasting_png(0x7fff_ffff, 0x7fff_ffff))),
        ("wide png", huge(boasting_png(8_001, 1))),
        ("png of 64 million pixels", huge(boasting_png(8_000, 8_000))),
        ("jpeg bomb", huge(boasting_jpeg(65_000, 65_000))),
        ("jpeg of 49 million pixels", huge(boasting_jpeg(7_000, 7_000))),
        ("webp of 81 million pixels", huge(boasting_webp(9_000))),
        ("webp bomb", broken(boasting_webp(16_384))),
        ("eleven megabytes", ([jpeg(8, 8), vec![0; 11 * 1024 * 1024]].concat(), 413, "image_too_large")),
    ];
    for (name, (file, status, code)) in corpus {
        let answer = shop.upload(&alice, Method::POST, &path, "../../photo.jpg", file).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert_eq!(answer.status.as_u16(), status, "{name}: {text}");
        assert!(text.contains(code), "{name}: {text}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
    }
    assert_eq!(stored(&shop).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_hides_in_a_picture_is_gone() {
    let (shop, alice, path) = shop().await;
    let payload = b"<script>alert('hidden')</script>PK\x03\x04";
    let text = chunk(b"tEXt", &[b"Comment\0", &payload[..]].concat());
    let plain = png(30, 30, [9, 9, 9, 255]);
    for file in [
        [&jpeg(30, 30)[..], payload].concat(),
        [&plain[..], payload].concat(),
        [&plain[..33], &text, &plain[33..]].concat(),
        [&webp(30, 30, 200)[..], payload].concat(),
        exif_jpeg(30, 30, payload),
    ] {
        assert!(file.windows(payload.len()).any(|window| window == payload));
        shop.upload(&alice, Method::POST, &path, "a.jpg", file).await.ok(201);
    }
    let files = stored(&shop).await;
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let bytes = shop.get(&stranger(), &format!("/media/{file}")).await.bytes;
        assert!(!bytes.windows(6).any(|window| window == b"hidden" || window == b"<scrip"), "{file}");
        assert!(!bytes.windows(4).any(|window| window == b"Exif" || window == b"tEXt"), "{file}");
    }
}

#[tokio::test]
async fn a_picture_is_kept_under_the_hash_of_its_bytes_and_handed_out_safely() {
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
async fn no_name_leads_out_of_the_directory() {
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
