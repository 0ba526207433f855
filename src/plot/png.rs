//! Renders SVG as PNG, with texts in DejaVu Sans, which the program carries.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use crate::error::{Error, Result};

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// Renders one of our SVGs, with two pixels for each of its units.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let failed = |error: String| Error::internal(format!("drawing a PNG: {error}"));
    let options = Options {
        fontdb: FONTS.clone(),
        font_family: "DejaVu Sans".to_string(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let (width, height) = (2.0 * tree.size().width(), 2.0 * tree.size().height());
    let mut pixels = Pixmap::new(width as u32, height as u32)
        .ok_or_else(|| failed("the picture has no size".to_string()))?;
    resvg::render(&tree, Transform::from_scale(2.0, 2.0), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(error.to_string()))
}
