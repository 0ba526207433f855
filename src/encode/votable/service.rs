//! Service descriptors (IVOA DataLink 1.1, section 4): what a client can ask of the objects in the rows, so that a click on a row in TOPCAT
//! gives its light curve.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

/// A request that an object can be put into.
struct Service {
    id: &'static str,
    about: &'static str,
    path: &'static str,
    format: &'static str,
}

static SERVICES: [Service; 2] = [
    Service {
        id: "light_curve",
        about: "The light curve of the object",
        path: "/api/v1/sources",
        format: "votable",
    },
    Service {
        id: "light_curve_plot",
        about: "The light curve of the object as a picture",
        path: "/api/v1/plot",
        format: "png",
    },
];

/// Writes the services of a server at an address, for a column of `diaObjectId` with this ID and type.
pub(super) fn write(
    address: &str,
    column: &str,
    datatype: &str,
    writer: &mut Writer<&mut Vec<u8>>,
) -> io::Result<()> {
    for Service { id, about, path, format } in &SERVICES {
        let url = format!("{address}{path}");
        let about_it = [("type", "meta"), ("utype", "adhoc:service"), ("ID", id), ("name", id)];
        let resource = writer.create_element("RESOURCE").with_attributes(about_it);
        resource.write_inner_content(|writer| {
            writer.create_element("DESCRIPTION").write_text_content(BytesText::new(about))?;
            text("accessURL", &url, writer)?;
            let inputs = writer.create_element("GROUP").with_attribute(("name", "inputParams"));
            inputs.write_inner_content(|writer| {
                object(column, datatype, writer)?;
                text("output-format", format, writer)
            })?;
            Ok(())
        })?;
        writer.get_mut().push(b'\n');
    }
    Ok(())
}

/// The parameter whose value is that of the row.
fn object(column: &str, datatype: &str, writer: &mut Writer<&mut Vec<u8>>) -> io::Result<()> {
    let is_text = datatype != "long";
    let about = [
        ("name", Some("diaObjectId")),
        ("datatype", Some(datatype)),
        ("arraysize", is_text.then_some("*")),
        ("value", Some(if is_text { "" } else { "0" })),
        ("ref", Some(column)),
    ];
    let about = about.into_iter().filter_map(|(name, value)| Some((name, value?)));
    writer.create_element("PARAM").with_attributes(about).write_empty()?;
    Ok(())
}

fn text(name: &str, value: &str, writer: &mut Writer<&mut Vec<u8>>) -> io::Result<()> {
    let about = [("name", name), ("datatype", "char"), ("arraysize", "*"), ("value", value)];
    writer.create_element("PARAM").with_attributes(about).write_empty()?;
    Ok(())
}
