//! Files that somebody sends as pictures with something else in mind (guarantee I-04): what is refused, with which answer,
//! and what is left of those that are taken.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::ZlibEncoder};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgba, RgbaImage, codecs::webp::WebPEncoder};
use jpeg_encoder::{ColorType, Encoder};
use poem::http::Method;
use sha2::{Digest, Sha256};

use crate::{
    images::{encoded, exif_jpeg, jpeg, local, png, shop, stored, webp},
    support::stranger,
};

/// What somebody hides in a picture. None of it may come out again.
const PAYLOAD: &[u8] = b"<script>alert('hidden')</script><?php system('hidden'); ?>PK\x03\x04";

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

/// A PNG with a chunk right behind its header.
fn png_with(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let plain = png(30, 30, [9, 9, 9, 255]);
    [&plain[..33], &chunk(kind, data), &plain[33..]].concat()
}

/// So many megabytes of zeros, deflated to next to nothing.
fn deflated_zeros(megabytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..megabytes {
        encoder.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A PNG that moves; what is hidden is in its second frame.
fn animated_png() -> Vec<u8> {
    let plain = png(20, 20, [9, 9, 9, 255]);
    let frame = |number: u32| {
        let size = [&number.to_be_bytes()[..], &20_u32.to_be_bytes(), &20_u32.to_be_bytes(), &[0; 8]].concat();
        chunk(b"fcTL", &[&size[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let control = chunk(b"acTL", &[2_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat());
    let second = chunk(b"fdAT", &[&2_u32.to_be_bytes()[..], PAYLOAD].concat());
    let end = plain.len() - 12;
    [&plain[..33], &control, &frame(0), &plain[33..end], &frame(1), &second, &plain[end..]].concat()
}

fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&kind[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &padding].concat()
}

fn three_bytes(number: u32) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}

/// A WebP of a canvas with these sides on which pictures of 16 × 16 move.
fn animated_webp(canvas: u32) -> Vec<u8> {
    let still = webp(16, 16, 255);
    let size = [three_bytes(0), three_bytes(0), three_bytes(15), three_bytes(15), three_bytes(40), vec![0]].concat();
    let frame = riff(b"ANMF", &[&size[..], &still[12..]].concat());
    let head = [vec![0b10, 0, 0, 0], three_bytes(canvas - 1), three_bytes(canvas - 1)].concat();
    let animation = [0; 6];
    let body =
        [&b"WEBP"[..], &riff(b"VP8X", &head), &riff(b"ANIM", &animation), &frame, &frame, &riff(b"XMP ", PAYLOAD)]
            .concat();
    riff(b"RIFF", &body)
}

/// A JPEG of a kind that cameras do not make.
fn odd_jpeg(color: ColorType, bytes_per_pixel: usize, odd: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let (side, mut file) = (64_u16, Vec::new());
    let count = usize::from(side) * usize::from(side) * bytes_per_pixel;
    let pixels: Vec<u8> = (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut encoder = Encoder::new(&mut file, 90);
    odd(&mut encoder);
    encoder.encode(&pixels, side, side, color).unwrap();
    file
}

/// A progressive JPEG whose last scan comes again and again: a few bytes each, and each is a walk over the picture.
fn scan_bomb() -> Vec<u8> {
    let (side, mut file) = (1_000_u16, Vec::new());
    let mut encoder = Encoder::new(&mut file, 50);
    encoder.set_progressive(true);
    encoder.encode(&vec![0; usize::from(side) * usize::from(side)], side, side, ColorType::Luma).unwrap();
    let last = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let end = file.len() - 2;
    let scan = file[last..end].to_vec();
    [&file[..end], &scan.repeat(2 * 1024 * 1024 / scan.len()), &file[end..]].concat()
}

/// Where a photograph was taken.
fn geotagged() -> Vec<u8> {
    let remark = [PAYLOAD, b"GPSLatitude\x00\x12\x34\x56 21.0285N 105.8542E"].concat();
    exif_jpeg(30, 30, &remark)
}

/// A JPEG with a segment right behind its beginning.
fn jpeg_with(marker: u8, data: &[u8]) -> Vec<u8> {
    let plain = jpeg(30, 30);
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, marker], &length, data, &plain[2..]].concat()
}

#[tokio::test]
async fn i_04_hostile_files_are_refused_and_nothing_is_kept() {
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
        ("jpeg xl", unsupported(b"\0\0\0\x0cJXL \r\n\x87\n")),
        ("photoshop", unsupported(b"8BPS\0\x01\0\0\0\0\0\0")),
        ("postscript", unsupported(b"%!PS-Adobe-3.0 EPSF-3.0\n(id) (r) file")),
        ("script of ImageMagick", unsupported(b"push graphic-context\nfill 'url(https://x/\"|id\")'")),
        ("pdf", unsupported(b"%PDF-1.7\n%\xff\xd8\xff")),
        ("zip", unsupported(b"PK\x03\x04\x14\0\0\0")),
        ("program", unsupported(b"\x7fELF\x02\x01\x01\0")),
        ("php", unsupported(b"<?php system($_GET['c']); ?>")),
        ("sound", unsupported(b"RIFF\x24\0\0\0WAVEfmt ")),
        ("jpeg after a blank", unsupported(&[b" ", &jpeg(8, 8)[..]].concat())),
        ("jpeg behind a gif", unsupported(&[b"GIF89a", &jpeg(8, 8)[..]].concat())),
        ("png with a line end of its own", unsupported(b"\x89PNG\n\x1a\n\0\0\0\0")),
        ("only the first bytes of a jpeg", broken(vec![0xff, 0xd8, 0xff, 0xe0])),
        ("only the first bytes of a png", broken(b"\x89PNG\r\n\x1a\n".to_vec())),
        ("only the first bytes of a webp", broken(b"RIFF\x1a\0\0\0WEBP".to_vec())),
        ("html that begins as a png", broken([b"\x89PNG\r\n\x1a\n", PAYLOAD].concat())),
        ("half a jpeg", broken(half(jpeg(300, 300)))),
        ("half a jpeg with metadata", broken(half(exif_jpeg(300, 300, b"\xff\xd9")))),
        ("half a png", broken(half(png(200, 200, [5, 5, 5, 255])))),
        ("half a webp", broken(half(webp(200, 200, 255)))),
        ("jpeg of a kind that does not exist", broken(headless)),
        ("jpeg and then html, no picture", broken([b"\xff\xd8\xff\xe0", &b"<script>alert(1)</script>"[..]].concat())),
        ("png with a wrong checksum", broken(wrong_sum)),
        ("png without pixels", broken(boasting_png(0, 0))),
        ("png larger than its data", broken(boasting_png(500, 500))),
        ("jpeg without pixels", broken(boasting_jpeg(0, 0))),
        ("jpeg of hundreds of scans", broken(scan_bomb())),
        ("webp whose length is a lie", broken([b"RIFF\xff\xff\xff\xff", &webp(16, 16, 255)[8..60]].concat())),
        ("png bomb", huge(boasting_png(60_000, 60_000))),
        ("png bomb that overflows", huge(boasting_png(0x7fff_ffff, 0x7fff_ffff))),
        ("wide png", huge(boasting_png(8_001, 1))),
        ("a line of a hundred thousand pixels", huge(boasting_png(1, 100_000))),
        ("png of 64 million pixels", huge(boasting_png(8_000, 8_000))),
        ("jpeg bomb", huge(boasting_jpeg(65_000, 65_000))),
        ("jpeg of 49 million pixels", huge(boasting_jpeg(7_000, 7_000))),
        ("webp of 81 million pixels", huge(boasting_webp(9_000))),
        ("webp bomb", broken(boasting_webp(16_384))),
        ("small pictures on a canvas of 268 million pixels", huge(animated_webp(16_384))),
        ("eleven megabytes", ([jpeg(8, 8), vec![0; 11 * 1024 * 1024]].concat(), 413, "image_too_large")),
    ];
    let names = ["../../photo.jpg", "photo.jpg;.svg", "C:\\photo.php", "photo.svg", "%2e%2e%2fphoto.jpg", ""];
    let count = corpus.len();
    let (mut slowest, mut wrong) = ((Duration::ZERO, ""), Vec::new());
    for (at, (what, (file, status, code))) in corpus.into_iter().enumerate() {
        let began = Instant::now();
        let answer = shop.upload(&alice, Method::POST, &path, names[at % names.len()], file).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        let is_problem = answer.header("content-type") == Some("application/problem+json");
        if answer.status.as_u16() != status || !text.contains(code) || !is_problem {
            wrong.push(format!("{what}: not {status} {code} but {} {text}", answer.status));
        }
        if began.elapsed() > slowest.0 {
            slowest = (began.elapsed(), what);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stored(&shop).await, Vec::<String>::new());
    assert!(slowest.0 < Duration::from_secs(5), "{slowest:?}");
    println!("I-04: {count} hostile files refused, the slowest after {} ms; nothing kept", slowest.0.as_millis());
}

#[tokio::test]
async fn i_04_what_hides_in_a_picture_is_gone() {
    let (shop, alice, path) = shop().await;
    let sixteen_bits = DynamicImage::ImageRgba16(ImageBuffer::from_fn(20, 20, |x, _| {
        Rgba([u16::try_from(x * 3_000).unwrap(), 7, 7, u16::MAX])
    }));
    let plain = png(30, 30, [9, 9, 9, 255]);
    let profile = |data: Vec<u8>| png_with(b"iCCP", &[b"profile\0\0", &data[..]].concat());
    let corpus = [
        ("html behind a jpeg", [&jpeg(30, 30)[..], PAYLOAD].concat()),
        ("an archive behind a png", [&plain[..], PAYLOAD].concat()),
        ("html behind a webp", [&webp(30, 30, 200)[..], PAYLOAD].concat()),
        ("a remark in a png", png_with(b"tEXt", &[b"Comment\0", PAYLOAD].concat())),
        ("metadata of Adobe in a png", png_with(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", PAYLOAD].concat())),
        ("a chunk that nobody knows", png_with(b"evIl", PAYLOAD)),
        ("a remark in a jpeg", jpeg_with(0xfe, PAYLOAD)),
        ("a profile in a jpeg", jpeg_with(0xe2, &[b"ICC_PROFILE\0\x01\x01", PAYLOAD].concat())),
        ("a segment of somebody's in a jpeg", jpeg_with(0xef, PAYLOAD)),
        ("where it was taken", geotagged()),
        ("a profile that is none", profile(PAYLOAD.to_vec())),
        ("a profile of 24 megabytes", [profile(deflated_zeros(24)), PAYLOAD.to_vec()].concat()),
        (
            "a remark of 24 megabytes",
            [png_with(b"zTXt", &[b"Comment\0\0", &deflated_zeros(24)[..]].concat()), PAYLOAD.to_vec()].concat(),
        ),
        ("a png that moves", animated_png()),
        ("a webp that moves", animated_webp(16)),
        ("sixteen bits a colour", [encoded(&sixteen_bits, ImageFormat::Png), PAYLOAD.to_vec()].concat()),
        ("a jpeg for printers", [odd_jpeg(ColorType::Cmyk, 4, |_| ()), PAYLOAD.to_vec()].concat()),
        ("another jpeg for printers", [odd_jpeg(ColorType::Ycck, 4, |_| ()), PAYLOAD.to_vec()].concat()),
        (
            "a jpeg in several scans",
            [odd_jpeg(ColorType::Rgb, 3, |jpeg| jpeg.set_progressive(true)), PAYLOAD.to_vec()].concat(),
        ),
        ("a jpeg in grey", [odd_jpeg(ColorType::Luma, 1, |_| ()), PAYLOAD.to_vec()].concat()),
    ];
    let count = corpus.len();
    for (what, file) in corpus {
        assert!(file.windows(PAYLOAD.len()).any(|window| window == PAYLOAD), "{what}");
        let answer = shop.upload(&alice, Method::POST, &path, "evil.svg", file).await;
        assert_eq!(answer.status, 201, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
        let image = answer.ok(201)["images"].as_array().unwrap().last().unwrap().clone();
        let (url, small) = (local(&image["url"]), local(&image["thumbnail_url"]));
        for url in [&url, &small] {
            let kept = shop.get(&stranger(), url).await;
            assert_eq!(kept.status, 200, "{what}");
            assert_eq!(kept.header("x-content-type-options"), Some("nosniff"), "{what}");
            let kind = kept.header("content-type").unwrap();
            assert!(matches!(kind, "image/jpeg" | "image/png"), "{what}: {kind}");
            assert_eq!(image::guess_format(&kept.bytes).unwrap().to_mime_type(), kind, "{what}");
            for left in
                [&b"hidden"[..], b"<scrip", b"<?php", b"PK\x03\x04", b"Exif", b"tEXt", b"ICC_PROF", b"GPSLat", b"acTL"]
            {
                assert!(!kept.bytes.windows(left.len()).any(|window| window == left), "{what}: {left:?}");
            }
        }
        let kept = shop.get(&stranger(), &url).await.bytes;
        let name = url.trim_start_matches("/media/").split('.').next().unwrap().to_owned();
        assert_eq!(name, hex::encode(Sha256::digest(&kept)), "{what}");
        // There is room for twenty.
        let id = image["id"].as_str().unwrap();
        shop.delete(&alice, &format!("{path}/{id}")).await.ok(204);
    }
    println!("I-04: {count} pictures with something in them taken and made anew, nothing left of it");
}

/// What this process has used at most since it was last forgotten, in megabytes; only Linux says.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

/// However many of the largest pictures come at once, two are worked on, and each needs room for itself and its copy.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "fire: one minute, in a debug build"]
async fn i_04_memory_is_bounded_whatever_comes() {
    let (shop, alice, path) = shop().await;
    let file = {
        let (large, mut file) = (RgbaImage::from_pixel(8_000, 5_000, Rgba([200, 10, 10, 255])), Vec::new());
        DynamicImage::ImageRgba8(large).write_with_encoder(WebPEncoder::new_lossless(&mut file)).unwrap();
        file
    };
    // Forgets the peak up to here.
    let is_linux = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = peak();
    let upload = || shop.upload(&alice, Method::POST, &path, "a.webp", file.clone());
    let (one, two, three, four) = tokio::join!(upload(), upload(), upload(), upload());
    for answer in [one, two, three, four] {
        assert!(matches!(answer.status.as_u16(), 201 | 503), "{}", answer.status);
    }
    if let (true, Some(before), Some(after)) = (is_linux, before, peak()) {
        let used = after.saturating_sub(before);
        println!("I-04: four pictures of 40 million pixels at once took {used} MB at most");
        assert!(used < 700, "{used} MB");
    }
}
