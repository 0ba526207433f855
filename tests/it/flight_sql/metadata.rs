//! What tools ask about the server and its tables.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Schema, UInt32Type};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo, XdbcDataType,
};
use arrow_flight::{FlightInfo, IpcMessage};
use bytes::Bytes;

use super::{Client, client, read, served};

async fn answer(client: &mut Client, info: arrow_flight::error::Result<FlightInfo>) -> RecordBatch {
    read(client, info.unwrap()).await.unwrap()
}

fn texts<'a>(rows: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    rows[column].as_string::<i32>().iter().map(|text| text.unwrap_or("null")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_in_one_schema_of_one_catalog() {
    let (_folder, server) = served().await;
    let client = &mut client(&server).await;
    let info = client.get_catalogs().await;
    assert_eq!(texts(&answer(client, info).await, "catalog_name"), ["diaflight"]);
    for (pattern, found) in [("p%", &["public"] as &[&str]), ("x%", &[])] {
        let asked =
            CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: Some(pattern.into()) };
        let info = client.get_db_schemas(asked).await;
        assert_eq!(texts(&answer(client, info).await, "db_schema_name"), found);
    }
    let info = client.get_table_types().await;
    assert_eq!(texts(&answer(client, info).await, "table_type"), ["TABLE", "VIEW"]);

    let all = CommandGetTables::default();
    let pattern = |text: &str| Some(text.to_string());
    for (asked, found) in [
        (
            CommandGetTables { table_types: vec!["TABLE".into()], ..all.clone() },
            &["fp", "objects", "sources"] as &[_],
        ),
        (
            CommandGetTables { table_name_filter_pattern: pattern("_ources"), ..all.clone() },
            &["sources"],
        ),
        (CommandGetTables { catalog: pattern("diafligh_"), ..all.clone() }, &[]),
        (CommandGetTables { db_schema_filter_pattern: pattern("private"), ..all.clone() }, &[]),
    ] {
        let info = client.get_tables(asked).await;
        assert_eq!(texts(&answer(client, info).await, "table_name"), found);
    }
    let info =
        client.get_tables(CommandGetTables { table_types: vec!["VIEW".into()], ..all }).await;
    assert!(texts(&answer(client, info).await, "table_name").contains(&"light_curves"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_the_schema_of_its_rows() {
    let (_folder, server) = served().await;
    let client = &mut client(&server).await;
    let info =
        client.get_tables(CommandGetTables { include_schema: true, ..Default::default() }).await;
    let tables = answer(client, info).await;
    assert!(tables.num_rows() >= 3);
    for (name, schema) in
        texts(&tables, "table_name").into_iter().zip(tables["table_schema"].as_binary::<i32>())
    {
        let told = Schema::try_from(IpcMessage(Bytes::copy_from_slice(schema.unwrap()))).unwrap();
        let info = client.execute(format!("SELECT * FROM {name}"), None).await.unwrap();
        assert_eq!(told, info.try_decode_schema().unwrap(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_say_which_rows_belong_together() {
    let (_folder, server) = served().await;
    let client = &mut client(&server).await;
    let of = |text: &str| Some(text.to_string());
    for (catalog, table, found) in [
        (None, "sources", &["diaSourceId"] as &[&str]),
        (of("diaflight"), "objects", &["diaObjectId"]),
        (None, "fp", &["diaForcedSourceId"]),
        (None, "light_curves", &[]),
        (of("another"), "sources", &[]),
    ] {
        let asked = CommandGetPrimaryKeys { catalog, db_schema: None, table: table.into() };
        let info = client.get_primary_keys(asked).await;
        assert_eq!(texts(&answer(client, info).await, "column_name"), found, "{table}");
    }

    let exported = CommandGetExportedKeys { table: "objects".into(), ..Default::default() };
    let exported = client.get_exported_keys(exported).await;
    let imported = CommandGetImportedKeys { table: "fp".into(), ..Default::default() };
    let imported = client.get_imported_keys(imported).await;
    let between = |pk: &str, fk: &str| CommandGetCrossReference {
        pk_table: pk.into(),
        fk_table: fk.into(),
        ..Default::default()
    };
    let crossed = client.get_cross_reference(between("objects", "sources")).await;
    let unrelated = client.get_cross_reference(between("sources", "fp")).await;
    for (info, children) in [
        (exported, &["fp", "sources"] as &[&str]),
        (imported, &["fp"]),
        (crossed, &["sources"]),
        (unrelated, &[]),
    ] {
        let keys = answer(client, info).await;
        assert_eq!(texts(&keys, "fk_table_name"), children);
        assert!(texts(&keys, "pk_table_name").iter().all(|parent| *parent == "objects"));
        for column in ["fk_column_name", "pk_column_name"] {
            assert!(texts(&keys, column).iter().all(|name| *name == "diaObjectId"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_the_server_are_described() {
    let (_folder, server) = served().await;
    let client = &mut client(&server).await;
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None }).await;
    let types = answer(client, info).await;
    let numbers = types["data_type"].as_primitive::<Int32Type>().values();
    assert!(numbers.len() >= 10 && numbers.is_sorted(), "{numbers:?}");
    for (data_type, found) in
        [(XdbcDataType::XdbcBigint, &["BIGINT"] as &[_]), (XdbcDataType::XdbcWchar, &[])]
    {
        let asked = CommandGetXdbcTypeInfo { data_type: Some(data_type as i32) };
        let info = client.get_xdbc_type_info(asked).await;
        assert_eq!(texts(&answer(client, info).await, "type_name"), found);
    }

    let info = client.get_sql_info(vec![]).await;
    let all = answer(client, info).await;
    assert!(all.num_rows() > 20);
    let asked = vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly];
    let info = client.get_sql_info(asked).await;
    let some = answer(client, info).await;
    assert_eq!(some["info_name"].as_primitive::<UInt32Type>().values(), &[0, 3]);
    let values = some["value"].as_union();
    assert_eq!(values.value(0).as_string::<i32>().value(0), "diaflight");
    assert!(values.value(1).as_boolean().value(0));
}
