//! Lets DataFusion's scan read a column under the name that it is stored by (`psfFlux`), from files that may call it `r:psfFlux`.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use crate::schema::Family;

/// The family, if the name of a column in a file has it as its prefix, and the name of the stored column: `r:psfFlux` is Rubin's `psfFlux`.
/// Files of our own tables have plain names.
pub fn stored_name(file_column: &str) -> (Option<Family>, &str) {
    let served = file_column.split_once(':');
    match served.and_then(|(prefix, name)| Some((Family::from_prefix(prefix)?, name))) {
        Some((family, name)) => (Some(family), name),
        None => (None, file_column),
    }
}

/// The schema of a file, with stored names.
pub(crate) fn stored_schema(file: &Schema) -> Schema {
    let rename = |field: &Arc<Field>| {
        let name = stored_name(field.name()).1.to_string();
        field.as_ref().clone().with_name(name)
    };
    Schema::new(file.fields().iter().map(rename).collect::<Vec<_>>())
}

/// For [`FileScanConfigBuilder::with_expr_adapter`]. Columns a file lacks are null, types are cast as
/// DataFusion does it.
///
/// [`FileScanConfigBuilder::with_expr_adapter`]: datafusion::datasource::physical_plan::FileScanConfigBuilder::with_expr_adapter
#[derive(Debug)]
pub struct StoredNames;

impl PhysicalExprAdapterFactory for StoredNames {
    fn create(&self, stored: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = Arc::new(stored_schema(&file));
        let by_place = DefaultPhysicalExprAdapterFactory.create(stored, renamed)?;
        Ok(Arc::new(FileNames { by_place, file }))
    }
}

#[derive(Debug)]
struct FileNames {
    /// Finds the place of each column in the file.
    by_place: Arc<dyn PhysicalExprAdapter>,
    file: SchemaRef,
}

impl PhysicalExprAdapter for FileNames {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let named = |expr: Arc<dyn PhysicalExpr>| {
            let Some(place) = expr.downcast_ref::<Column>().map(Column::index) else {
                return Ok(Transformed::no(expr));
            };
            let name = self.file.field(place).name();
            Ok(Transformed::yes(Arc::new(Column::new(name, place)) as Arc<dyn PhysicalExpr>))
        };
        self.by_place.rewrite(expr)?.transform(named).data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::col;

    #[test]
    fn a_stored_column_is_found_under_the_name_in_the_file() {
        let schema = |names: [&str; 2]| {
            let fields = names.map(|name| Field::new(name, DataType::Int64, true));
            Arc::new(Schema::new(fields.to_vec()))
        };
        let (stored, file) = (schema(["psfFlux", "xm_otype"]), schema(["f:xm_otype", "r:psfFlux"]));
        let adapter = StoredNames.create(stored.clone(), file).unwrap();
        let flux = adapter.rewrite(col("psfFlux", &stored).unwrap()).unwrap();
        assert_eq!(flux.downcast_ref::<Column>(), Some(&Column::new("r:psfFlux", 1)));

        let adapter = StoredNames.create(stored.clone(), schema(["psfFlux", "other"])).unwrap();
        let flux = adapter.rewrite(col("psfFlux", &stored).unwrap()).unwrap();
        assert_eq!(flux.downcast_ref::<Column>(), Some(&Column::new("psfFlux", 0)));
        let missing = adapter.rewrite(col("xm_otype", &stored).unwrap()).unwrap();
        assert!(missing.downcast_ref::<Column>().is_none(), "{missing}");
    }
}
