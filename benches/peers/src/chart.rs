//! The picture: operations a second of every store at 90/10 and at 50/50, as bars.

use std::fmt::Write;

use crate::report::{Report, thousands};

const WIDTH: f64 = 880.0;
/// Where the bars begin; left of it are the names.
const LEFT: f64 = 290.0;
/// Room for a figure right of the longest bar.
const RIGHT: f64 = 90.0;
const TOP: f64 = 92.0;
/// Height of a store, and of one of its two bars.
const ROW: f64 = 44.0;
const BAR: f64 = 15.0;

/// Draws it. Colours follow the reader's scheme, on a ground of its own, so that it is legible on any page.
pub(crate) fn svg(report: &Report) -> String {
    let height = TOP + ROW * report.rows.len() as f64 + 40.0;
    let most = report.rows.iter().flat_map(|row| [row.rates[2], row.rates[3]]).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let mut out = String::new();
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">
<title id="title">Operations a second of Sessile and its peers</title>
<style>
  .ground {{ fill: #ffffff; stroke: #d0d7de }} .text {{ fill: #1f2328 }} .faint {{ fill: #59636e }} .line {{ stroke: #8c959f }}
  .reads {{ fill: #4c78a8 }} .half {{ fill: #e08a3c }}
  text {{ font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px }}
  .head {{ font-size: 17px; font-weight: 600 }} .ours {{ font-weight: 600 }} .small {{ font-size: 12px }}
  @media (prefers-color-scheme: dark) {{
    .ground {{ fill: #0d1117; stroke: #3d444d }} .text {{ fill: #f0f6fc }} .faint {{ fill: #9198a1 }} .line {{ stroke: #656c76 }}
    .reads {{ fill: #6ea8dc }} .half {{ fill: #f0a35e }}
  }}
</style>
<rect class="ground" x="0.5" y="0.5" width="{}" height="{}" rx="6"/>
<text class="text head" x="20" y="32">Thousand operations a second, 64 callers on 100,000 sessions</text>
<rect class="reads" x="20" y="49" width="12" height="12"/><text class="text small" x="38" y="60">90 reads to 10 updates</text>
<rect class="half" x="200" y="49" width="12" height="12"/><text class="text small" x="218" y="60">50 reads to 50 updates</text>
<text class="faint small" x="{}" y="60" text-anchor="end">longer is faster</text>
"#,
        WIDTH - 1.0,
        height - 1.0,
        WIDTH - 20.0,
    );
    for (place, row) in report.rows.iter().enumerate() {
        let top = TOP + ROW * place as f64;
        let ours = if row.name.starts_with("Sessile") { " ours" } else { "" };
        let name = escape(&row.name.replace('`', ""));
        let _ = writeln!(
            out,
            r#"<text class="text{ours}" x="{}" y="{}" text-anchor="end">{name}</text>"#,
            LEFT - 12.0,
            top + BAR + 5.0
        );
        for (bar, (class, rate)) in [("reads", row.rates[2]), ("half", row.rates[3])].into_iter().enumerate() {
            let (y, width) = (top + BAR * bar as f64, (rate * scale).max(1.0));
            let _ = writeln!(
                out,
                r#"<rect class="{class}" x="{LEFT}" y="{y:.1}" width="{width:.1}" height="{:.1}"/><text class="text small" x="{:.1}" y="{:.1}">{}</text>"#,
                BAR - 2.0,
                LEFT + width + 6.0,
                y + BAR - 4.0,
                thousands(rate / 1_000.0)
            );
        }
    }
    let _ = writeln!(
        out,
        r#"<line class="line" x1="{LEFT}" y1="{}" x2="{LEFT}" y2="{}"/>
<text class="faint small" x="20" y="{}">{}, two workers; SQLite holds 2,000 sessions and writes each update to disk</text>
</svg>"#,
        TOP - 6.0,
        height - 42.0,
        height - 16.0,
        escape(&report.machine)
    );
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
