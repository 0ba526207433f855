//! What other engines see of a column: the schema in the log has its unit and UCD, and its description under Delta's own key, `comment`.
//! Within the house the catalog tells them, so the schema of a snapshot has only what the catalog does not know.

use arrow::datatypes::{Field, FieldRef, Schema};

use crate::schema::{DESCRIPTION, FAMILY, Table, described, family, known};

/// The key of a description that Spark and others show.
const COMMENT: &str = "comment";

/// The schema as it stands in the log.
pub(crate) fn with_comments(table: Table, stored: &Schema) -> Schema {
    each_field(stored, |field| {
        let described = described(table, field);
        renamed(&described, DESCRIPTION, COMMENT)
    })
}

/// The schema as it is within the house.
pub(crate) fn without_comments(table: Table, logged: &Schema) -> Schema {
    each_field(logged, |field| match family(field) {
        Some(family) if known(table, family, field.name()).is_some() => {
            let mut metadata = field.metadata().clone();
            metadata.retain(|key, _| key == FAMILY);
            field.clone().with_metadata(metadata)
        }
        Some(_) => renamed(field, COMMENT, DESCRIPTION),
        None => field.clone(),
    })
}

fn each_field(schema: &Schema, change: impl Fn(&Field) -> Field) -> Schema {
    let fields = schema.fields().iter().map(|field: &FieldRef| change(field));
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

fn renamed(field: &Field, from: &str, to: &str) -> Field {
    let mut metadata = field.metadata().clone();
    if let Some(text) = metadata.remove(from) {
        metadata.insert(to.to_string(), text);
    }
    field.clone().with_metadata(metadata)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::schema::{Family, UCD, UNIT, new_table_schema, stored_field};

    #[test]
    fn the_log_describes_all_that_the_house_knows() {
        for table in Table::ALL {
            let stored = new_table_schema(table);
            let logged = with_comments(table, &stored);
            let flux = logged.field_with_name(table.id_column()).unwrap();
            assert!(flux.metadata()[COMMENT].ends_with('.'), "{flux}");
            assert!(!flux.metadata().contains_key(DESCRIPTION));
            assert_eq!(without_comments(table, &logged), *stored);
        }
        let logged = with_comments(Table::Fp, &new_table_schema(Table::Fp));
        let flux = logged.field_with_name("psfFlux").unwrap().metadata();
        assert_eq!((&*flux[UNIT], &*flux[UCD]), ("nJy", "phot.flux.density"));
    }

    #[test]
    fn a_column_that_the_catalog_does_not_know_keeps_what_it_says() {
        let mut field = stored_field(Family::Rubin, "newFlux", DataType::Float32);
        field.metadata_mut().insert(DESCRIPTION.into(), "A flux of tomorrow.".into());
        let stored = Schema::new(vec![field]);
        let logged = with_comments(Table::Sources, &stored);
        assert_eq!(logged.field(0).metadata()[COMMENT], "A flux of tomorrow.");
        assert_eq!(without_comments(Table::Sources, &logged), stored);
    }
}
