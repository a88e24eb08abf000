//! Uses the standard key-value, configuration and log packages, made without the SDK.
#![expect(unsafe_code, reason = "the bindings export functions")]

wit_bindgen::generate!({
    world: "test:kv/kv",
    path: [
        "../../../../wit/wasi-keyvalue-draft",
        "../../../../wit/wasi-keyvalue-draft2",
        "../../../../wit/wasi-config-rc1",
        "../../../../wit/wasi-config-2024-09-27",
        "../../../../wit/wasi-logging",
        "../../wit/probe",
        "wit",
    ],
    generate_all,
});

use exports::test::probe::standards::Guest;
use wasi::config0_2_0_draft_2024_09_27::store as old_config;
use wasi::config0_2_0_rc_1::store as config;
use wasi::keyvalue0_2_0_draft as draft;
use wasi::keyvalue0_2_0_draft2 as draft2;
use wasi::logging::logging::{Level, log};

struct Kv;

type Result<T> = std::result::Result<T, String>;

/// The error's name and text, as its `Debug` shows it.
fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn open(bucket: &str) -> Result<draft::store::Bucket> {
    draft::store::open(bucket).map_err(text)
}

fn open2(bucket: &str) -> Result<draft2::store::Bucket> {
    draft2::store::open(bucket).map_err(text)
}

fn bytes(pairs: Vec<(String, String)>) -> Vec<(String, Vec<u8>)> {
    pairs.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
}

fn utf8(value: Vec<u8>) -> String {
    String::from_utf8_lossy(&value).into_owned()
}

impl Guest for Kv {
    fn draft_set(bucket: String, key: String, value: Vec<u8>) -> Result<()> {
        open(&bucket)?.set(&key, &value).map_err(text)
    }

    fn draft_get(bucket: String, key: String) -> Result<Option<Vec<u8>>> {
        open(&bucket)?.get(&key).map_err(text)
    }

    fn draft_delete(bucket: String, key: String) -> Result<()> {
        open(&bucket)?.delete(&key).map_err(text)
    }

    fn draft_exists(bucket: String, key: String) -> Result<bool> {
        open(&bucket)?.exists(&key).map_err(text)
    }

    fn draft_keys(bucket: String) -> Result<Vec<String>> {
        let bucket = open(&bucket)?;
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = bucket.list_keys(cursor).map_err(text)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort();
                return Ok(keys);
            }
        }
    }

    fn draft_increment(bucket: String, key: String, delta: u64) -> Result<u64> {
        draft::atomics::increment(&open(&bucket)?, &key, delta).map_err(text)
    }

    fn draft_batch(
        bucket: String,
        pairs: Vec<(String, String)>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<String>>> {
        let bucket = open(&bucket)?;
        draft::batch::set_many(&bucket, &bytes(pairs)).map_err(text)?;
        let found = draft::batch::get_many(&bucket, &keys).map_err(text)?;
        draft::batch::delete_many(&bucket, &keys).map_err(text)?;
        Ok(found.into_iter().map(|pair| pair.map(|(_, value)| utf8(value))).collect())
    }

    fn draft2_keys(bucket: String) -> Result<Vec<String>> {
        let bucket = open2(&bucket)?;
        let mut keys = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = bucket.list_keys(cursor.as_deref()).map_err(text)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort();
                return Ok(keys);
            }
        }
    }

    fn draft2_increment(bucket: String, key: String, delta: i64) -> Result<i64> {
        draft2::atomics::increment(&open2(&bucket)?, &key, delta).map_err(text)
    }

    fn draft2_swap(bucket: String, key: String) -> Result<Vec<String>> {
        use draft2::atomics::{Cas, CasError, swap};
        let bucket = open2(&bucket)?;
        let show = |cas: &Cas| cas.current().map_err(text).map(|it| it.map_or("-".into(), utf8));
        let value = || bucket.get(&key).map_err(text).map(|it| it.map_or("-".into(), utf8));
        let mut seen = Vec::new();
        let cas = Cas::new(&bucket, &key).map_err(text)?;
        seen.push(show(&cas)?);
        swap(cas, b"first").map_err(text)?;
        seen.push(value()?);
        let cas = Cas::new(&bucket, &key).map_err(text)?;
        bucket.set(&key, b"between").map_err(text)?;
        match swap(cas, b"late") {
            Ok(()) => seen.push("swapped".to_owned()),
            Err(CasError::StoreError(error)) => return Err(text(error)),
            Err(CasError::CasFailed(again)) => {
                seen.push(show(&again)?);
                swap(again, b"second").map_err(text)?;
            }
        }
        seen.push(value()?);
        Ok(seen)
    }

    fn draft2_batch(
        bucket: String,
        pairs: Vec<(String, String)>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<String>>> {
        let bucket = open2(&bucket)?;
        draft2::batch::set_many(&bucket, &bytes(pairs)).map_err(text)?;
        let found = draft2::batch::get_many(&bucket, &keys).map_err(text)?;
        draft2::batch::delete_many(&bucket, &keys).map_err(text)?;
        Ok(found.into_iter().map(|(_, value)| value.map(utf8)).collect())
    }

    fn config_get(key: String) -> Result<Option<String>> {
        let value = config::get(&key).map_err(text)?;
        let old = old_config::get(&key).map_err(text)?;
        if value == old { Ok(value) } else { Err(format!("{value:?} is not {old:?}")) }
    }

    fn config_all() -> Result<Vec<(String, String)>> {
        let all = config::get_all().map_err(text)?;
        let old = old_config::get_all().map_err(text)?;
        if all == old { Ok(all) } else { Err(format!("{all:?} is not {old:?}")) }
    }

    fn log_all(message: String) {
        for level in
            [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical]
        {
            log(level, "probe", &message);
        }
    }
}

export!(Kv);
