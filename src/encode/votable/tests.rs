//! What a VOTable says, against what its readers expect.

use super::super::Format;
use super::super::tests::{column, text, tricky};
use super::*;
use crate::schema::{DESCRIPTION, UCD, UNIT};

#[test]
fn cells_are_words_of_the_standard_and_nulls_are_empty() {
    let rows = "<TR><TD>true</TD><TD>-2147483648</TD><TD>-9223372036854775808</TD><TD>0.1</TD><TD/>\
        <TD>a,\"b\"\n</TD></TR>\n\
        <TR><TD/><TD/><TD/><TD/><TD/><TD/></TR>\n\
        <TR><TD>false</TD><TD>0</TD><TD>0</TD><TD>+Inf</TD><TD>-0.0</TD><TD/></TR>\n\
        <TR><TD/><TD>2147483647</TD><TD>9223372036854775807</TD><TD>-Inf</TD><TD>5e-324</TD>\
        <TD> ]]&gt;&amp;&lt;é😀\t&#13;\u{fffd} </TD></TR>\n";
    let document = text(Format::Votable, &[tricky()]);
    assert!(document.contains(&format!("<TABLEDATA>\n{rows}</TABLEDATA>")), "{document}");
}

#[test]
fn fields_carry_what_is_known_of_their_columns() {
    let about = [(UNIT, "nJy"), (UCD, "phot.flux"), (DESCRIPTION, "Flux < 5 σ & \"more\"")];
    let values = std::sync::Arc::new(arrow::array::Float32Array::new_null(0));
    let document = text(Format::Votable, &[column("r:psfFlux", values, &about)]);
    let field = "<FIELD ID=\"r_psfFlux\" name=\"r:psfFlux\" datatype=\"float\" unit=\"nJy\" ucd=\"phot.flux\">\
        <DESCRIPTION>Flux &lt; 5 σ &amp; &quot;more&quot;</DESCRIPTION></FIELD>";
    assert!(document.contains(field), "{document}");
}

#[test]
fn an_answer_says_what_it_is_from_and_columns_refer_to_their_systems() {
    let time = std::sync::Arc::new(arrow::array::Float64Array::new_null(1));
    let rows = column("r:midpointMjdTai", time, &[(UNIT, "d"), (UCD, "time.epoch")]);
    let about = [("snapshot".to_string(), "12; fp=7".to_string())].into();
    let schema = rows.schema().as_ref().clone().with_metadata(about);
    let document = text(Format::Votable, &[rows.with_schema(schema.into()).unwrap()]);
    let before = "<INFO name=\"snapshot\" value=\"12; fp=7\"/>\n<TIMESYS ID=\"tai\" timeorigin=\"MJD-origin\" timescale=\"TAI\" \
        refposition=\"TOPOCENTER\"/>\n<TABLE>\n<FIELD ID=\"r_midpointMjdTai\"";
    assert!(document.contains(before) && !document.contains("COOSYS"), "{document}");
    assert!(document.contains("ucd=\"time.epoch\" ref=\"tai\""), "{document}");
}

#[test]
fn texts_have_a_length_where_all_are_known() {
    let texts = |text: &str, rows: usize| {
        column("band", std::sync::Arc::new(arrow::array::StringArray::from(vec![text; rows])), &[])
    };
    let length = |document: &str| {
        let after = document.split("arraysize=\"").nth(1).unwrap();
        after.split('"').next().unwrap().to_string()
    };
    assert_eq!(length(&text(Format::Votable, &[texts("", 0)])), "1*");
    assert_eq!(length(&text(Format::Votable, &[texts("r", 1), texts("a😀", 2)])), "3*");
    let many = texts("r", HELD_BYTES / 10);
    let document = text(Format::Votable, &[many.clone(), texts("longer", 1)]);
    assert_eq!(length(&document), "*");
    assert_eq!(document.matches("<TR>").count(), HELD_BYTES / 10 + 1);
}

#[test]
fn an_answer_with_objects_says_how_their_light_curves_are_asked_for() {
    let ids = std::sync::Arc::new(arrow::array::Int64Array::from(vec![7]));
    let of_server = |rows: RecordBatch| {
        let about = [(SERVER.to_string(), "https://example.org/lsst".to_string())].into();
        let schema = rows.schema().as_ref().clone().with_metadata(about);
        text(Format::Votable, &[rows.with_schema(schema.into()).unwrap()])
    };
    let document = of_server(column("r:diaObjectId", ids.clone(), &[]));
    let service = "</RESOURCE>\n<RESOURCE type=\"meta\" utype=\"adhoc:service\" ID=\"light_curve\" name=\"light_curve\">\
        <DESCRIPTION>The light curve of the object</DESCRIPTION><PARAM name=\"accessURL\" datatype=\"char\" arraysize=\"*\" \
        value=\"https://example.org/lsst/api/v1/sources\"/><GROUP name=\"inputParams\"><PARAM name=\"diaObjectId\" datatype=\"long\" \
        value=\"0\" ref=\"r_diaObjectId\"/><PARAM name=\"output-format\" datatype=\"char\" arraysize=\"*\" value=\"votable\"/></GROUP>\
        </RESOURCE>\n";
    assert!(document.contains(service), "{document}");
    assert!(!document.contains("<INFO name=\"server\""), "{document}");
    let without = of_server(column("r:diaSourceId", ids, &[]));
    assert!(!without.contains("adhoc:service"), "{without}");
}
