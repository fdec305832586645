//! The font of the formulas, which mdBook does not bring: without one a browser hardly lowers its indices.

use std::path::Path;

use anyhow::{Context, Result};
use ttf_parser::{Face, name_id};

/// New Computer Modern Math in its weight for screens, as `theme/book.css` asks for it.
const NAME: &str = "NewCMMath-Book";
const LICENSE: &str =
    "NewCMMath-Book.otf belongs to the New Computer Modern fonts by Antonis Tsolomitis and is distributed
unchanged under the GUST Font License, http://www.gust.org.pl/fonts/licenses/GUST-FONT-LICENSE.txt
";

/// Puts the font into the book's folder.
pub fn install(out: &Path) -> Result<()> {
    let data = typst_assets::fonts().find(|data| is_named(data)).with_context(|| format!("no font is {NAME}"))?;
    let folder = out.join("fonts");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("NEW-COMPUTER-MODERN-LICENSE.txt"), LICENSE)?;
    std::fs::write(folder.join(NAME).with_extension("otf"), data)?;
    Ok(())
}

fn is_named(data: &[u8]) -> bool {
    let Ok(face) = Face::parse(data, 0) else { return false };
    let names = face.names().into_iter();
    let found = names.filter(|name| name.name_id == name_id::POST_SCRIPT_NAME).filter_map(|name| name.to_string());
    found.into_iter().any(|name| name == NAME) && face.tables().math.is_some()
}
