//! Ends multipart uploads that were never completed. A writer that was killed leaves them in a bucket, where no listing shows them and they
//! are paid for.

use chrono::{DateTime, Utc};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use super::Location;
use super::bucket::Bucket;
use crate::error::{Error, Kind, Result};

/// Ends the uploads below a location that were begun before `expired`, and returns their number: 0 if the store is not S3. In a dry run,
/// they are only counted.
pub(crate) async fn end_old_uploads(
    folder: &Location,
    expired: DateTime<Utc>,
    dry_run: bool,
) -> Result<usize> {
    let Some(bucket) = &folder.bucket else { return Ok(0) };
    let mut ended = 0;
    for upload in list(bucket, &folder.prefix).await? {
        if upload.initiated >= expired {
            continue;
        }
        // A name that no object_store path can have was not written by us.
        let Ok(path) = Path::parse(&upload.key) else { continue };
        if dry_run {
            ended += 1;
            continue;
        }
        match bucket.store.abort_multipart(&path, &upload.id).await {
            Ok(()) => ended += 1,
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}

#[derive(Debug, PartialEq)]
struct Unfinished {
    key: String,
    id: String,
    initiated: DateTime<Utc>,
}

/// [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html), page by page.
async fn list(bucket: &Bucket, folder: &Path) -> Result<Vec<Unfinished>> {
    let prefix = format!("{folder}/");
    let (mut all, mut next) = (Vec::new(), None::<(String, String)>);
    loop {
        let mut query = vec![("prefix", prefix.as_str()), ("uploads", "")];
        if let Some((key, id)) = &next {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        let body = bucket.get(&query).await?;
        let page = std::str::from_utf8(&body).map_err(|error| unexpected(&error))?;
        let page = parsed(page)?;
        let inside = page.uploads.into_iter().filter(|upload| upload.key.starts_with(&prefix));
        all.extend(inside);
        if page.next.is_none() || page.next == next {
            return Ok(all);
        }
        next = page.next;
    }
}

fn unexpected(why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Storage, format!("the store's list of multipart uploads: {why}"))
}

#[derive(Debug, Default)]
struct Page {
    uploads: Vec<Unfinished>,
    /// The key and the id of the last upload, if more follow.
    next: Option<(String, String)>,
}

fn parsed(xml: &str) -> Result<Page> {
    let mut reader = Reader::from_str(xml);
    let (mut page, mut truncated) = (Page::default(), false);
    let (mut after_key, mut after_id) = (None, None);
    let (mut key, mut id, mut initiated) = (None, None, None);
    loop {
        let event = reader.read_event().map_err(|error| unexpected(&error))?;
        let start = match event {
            Event::Start(start) => start,
            Event::End(end) if end.local_name().as_ref() == "Upload" => {
                let upload = key.take().zip(id.take()).zip(initiated.take());
                let Some(((key, id), initiated)) = upload else {
                    return Err(unexpected(&"an upload without a key, an id or a time"));
                };
                page.uploads.push(Unfinished { key, id, initiated });
                continue;
            }
            Event::End(end) if end.local_name().as_ref() == "ListMultipartUploadsResult" => break,
            Event::Eof => return Err(unexpected(&"not a valid answer of S3")),
            _ => continue,
        };
        let mut text = || -> Result<String> {
            let text = reader.read_text(start.name()).map_err(|error| unexpected(&error))?;
            Ok(unescape(&text).map_err(|error| unexpected(&error))?.into_owned())
        };
        match start.local_name().as_ref() {
            "IsTruncated" => truncated = text()? == "true",
            "NextKeyMarker" => after_key = Some(text()?),
            "NextUploadIdMarker" => after_id = Some(text()?),
            "Key" => key = Some(text()?),
            "UploadId" => id = Some(text()?),
            "Initiated" => {
                let time = DateTime::parse_from_rfc3339(&text()?);
                initiated = Some(time.map_err(|error| unexpected(&error))?.to_utc());
            }
            _ => {}
        }
    }
    if truncated {
        page.next = after_key.zip(Some(after_id.unwrap_or_default()));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_uploads_is_read() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><KeyMarker/><UploadIdMarker/>
<NextKeyMarker>w/a&amp;b.parquet</NextKeyMarker><NextUploadIdMarker>two</NextUploadIdMarker><IsTruncated>true</IsTruncated>
<Upload><Key>w/a&amp;b.parquet</Key><UploadId>one</UploadId><Initiator><ID>x</ID></Initiator>
<Initiated>2026-11-23T01:00:00.000Z</Initiated></Upload>
<Upload><Initiated>2026-11-23T01:00:00Z</Initiated><UploadId>two</UploadId><Key>&#x9;</Key></Upload>
</ListMultipartUploadsResult>"#;
        let page = parsed(xml).unwrap();
        let initiated = "2026-11-23T01:00:00Z".parse().unwrap();
        let upload = |key: &str, id: &str| {
            let (key, id) = (key.to_string(), id.to_string());
            Unfinished { key, id, initiated }
        };
        assert_eq!(page.uploads, [upload("w/a&b.parquet", "one"), upload("\t", "two")]);
        assert_eq!(page.next, Some(("w/a&b.parquet".to_string(), "two".to_string())));
        let last = xml.replace(">true<", ">false<");
        assert_eq!(parsed(&last).unwrap().next, None);
    }

    #[test]
    fn what_is_no_page_of_uploads_is_refused() {
        for xml in ["", "<html></html>", "<ListMultipartUploadsResult><Upload>", "not XML"] {
            let error = parsed(xml).unwrap_err();
            assert_eq!(error.kind(), Kind::Storage, "{xml}");
        }
        let without = "<ListMultipartUploadsResult><Upload><Initiated>2026-11-23T01:00:00Z</Initiated></Upload>\
                       </ListMultipartUploadsResult>";
        assert!(parsed(without).unwrap_err().to_string().contains("without a key"));
    }
}
