//! Figures as SVG that take the reader's colours: panels of curves, dots and bands, and sheets of pictures.

use base64::Engine as _;
use ndarray::Array2;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours of a series, readable on white and on black.
pub const BLUE: RGBColor = RGBColor(59, 130, 196);
/// The second.
pub const ORANGE: RGBColor = RGBColor(217, 130, 43);
/// The third.
pub const GREEN: RGBColor = RGBColor(58, 154, 91);
/// The fourth.
pub const RED: RGBColor = RGBColor(204, 75, 75);
/// The fifth.
pub const PURPLE: RGBColor = RGBColor(138, 99, 201);
/// The sixth.
pub const GREY: RGBColor = RGBColor(138, 138, 138);

/// The page's own ink; becomes `currentColor`.
const INK: RGBColor = BLACK;

/// A finished figure.
pub struct Figure {
    /// File name without its ending; starts with the chapter's name.
    pub name: &'static str,
    /// The SVG.
    pub svg: String,
}

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line through the points.
    Line,
    /// A broken line.
    Dashes,
    /// A dot at each point.
    Dots,
    /// The area between the points, which go there and back.
    Band,
}

/// A series of points.
pub struct Series {
    /// For the legend; empty for none.
    pub label: String,
    /// Its colour.
    pub colour: RGBColor,
    /// How it is drawn.
    pub mark: Mark,
    /// In data units; points that are not finite break a line.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A line.
    pub fn line(label: &str, colour: RGBColor, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { label: label.into(), colour, mark: Mark::Line, points: points.into_iter().collect() }
    }

    /// The same points drawn otherwise.
    #[must_use]
    pub fn drawn(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }
}

/// One axis.
#[derive(Clone)]
pub struct Axis {
    /// What it shows, with the unit if there is one.
    pub label: String,
    /// From and to, in data units.
    pub range: (f64, f64),
    /// Powers of ten.
    pub log: bool,
}

impl Axis {
    /// Evenly divided.
    pub fn linear(label: &str, from: f64, to: f64) -> Self {
        Self { label: label.into(), range: (from, to), log: false }
    }

    /// In powers of ten.
    pub fn log(label: &str, from: f64, to: f64) -> Self {
        Self { label: label.into(), range: (from, to), log: true }
    }

    fn place(&self, x: f64) -> f64 {
        if self.log { x.log10() } else { x }
    }

    fn words(&self, x: f64) -> String {
        if self.log {
            let power = x.round();
            if (x - power).abs() > 1e-6 {
                return String::new();
            }
            return match power as i32 {
                0 => "1".into(),
                1 => "10".into(),
                2 => "100".into(),
                3 => "1000".into(),
                power => format!("10{}", superscript(power)),
            };
        }
        let text = format!("{x:.6}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".into() } else { text.replace('-', "−") }
    }
}

/// A power in raised digits.
pub fn superscript(n: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c.to_digit(10).unwrap_or(0) as usize],
    };
    n.to_string().chars().map(digit).collect()
}

/// One system of axes.
pub struct Panel {
    /// Above it.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn, the first at the bottom.
    pub series: Vec<Series>,
}

/// Width of a panel in pixels if there is one of them in a row, two, or three.
const WIDTHS: [u32; 3] = [680, 360, 280];

/// Panels side by side, `columns` in a row (1 to 3).
pub fn panels(name: &'static str, columns: usize, panels: Vec<Panel>) -> Figure {
    let width = WIDTHS[columns.clamp(1, 3) - 1];
    let height = if columns == 1 { 340 } else { 270 };
    let rows = panels.len().div_ceil(columns);
    let mut svg = String::new();
    {
        let size = (width * columns as u32, height * rows as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        for (area, panel) in root.split_evenly((rows, columns)).iter().zip(&panels) {
            draw(area, panel).expect("text in memory can always be written");
        }
        root.present().expect("text in memory can always be written");
    }
    Figure { name, svg: in_the_pages_colours(&svg) }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area<'_>, panel: &Panel) -> Result<(), Box<dyn std::error::Error>> {
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let (x, y) = (&panel.x, &panel.y);
    let legend: Vec<&Series> = panel.series.iter().filter(|series| !series.label.is_empty()).collect();
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, text(18))
        .margin(8)
        .margin_right(14)
        .x_label_area_size(38)
        .y_label_area_size(54)
        .build_cartesian_2d(x.place(x.range.0)..x.place(x.range.1), y.place(y.range.0)..y.place(y.range.1))?;
    let ticks = |axis: &Axis, most: usize| {
        if axis.log {
            let powers = (axis.place(axis.range.1) - axis.place(axis.range.0)).abs().round() as usize + 1;
            powers.clamp(2, most)
        } else {
            most
        }
    };
    chart
        .configure_mesh()
        .x_desc(x.label.as_str())
        .y_desc(y.label.as_str())
        .x_labels(ticks(x, 6))
        .y_labels(ticks(y, 6))
        .x_label_formatter(&|value| x.words(*value))
        .y_label_formatter(&|value| y.words(*value))
        .label_style(text(14))
        .axis_desc_style(text(15))
        .axis_style(INK.mix(0.6))
        .bold_line_style(INK.mix(0.15))
        .light_line_style(INK.mix(0.0))
        .draw()?;
    for series in &panel.series {
        let points = series.points.iter().map(|&(a, b)| (x.place(a), y.place(b)));
        let clean = |(a, b): &(f64, f64)| a.is_finite() && b.is_finite();
        let style = ShapeStyle { color: series.colour.to_rgba(), filled: true, stroke_width: 2 };
        match series.mark {
            Mark::Dots => {
                chart.draw_series(points.filter(clean).map(|point| Circle::new(point, 3, style)))?;
            }
            Mark::Band => {
                let corners: Vec<_> = points.filter(clean).collect();
                chart.draw_series(std::iter::once(Polygon::new(corners, series.colour.mix(0.25))))?;
            }
            Mark::Line | Mark::Dashes => {
                let points: Vec<_> = points.collect();
                for run in points.split(|point| !clean(point)).filter(|run| run.len() > 1) {
                    if series.mark == Mark::Line {
                        chart.draw_series(LineSeries::new(run.iter().copied(), style))?;
                    } else {
                        chart.draw_series(DashedLineSeries::new(run.iter().copied(), 6, 4, style))?;
                    }
                }
            }
        }
    }
    let drawn: Vec<(i32, i32)> = panel
        .series
        .iter()
        .flat_map(|series| {
            let points = series.points.iter().map(|&(a, b)| (x.place(a), y.place(b)));
            let pixels =
                points.filter(|(a, b)| a.is_finite() && b.is_finite()).map(|point| chart.backend_coord(&point));
            along(&pixels.collect::<Vec<_>>(), series.mark)
        })
        .collect();
    legend_in_a_corner(area, &chart_box(&chart), &legend, &drawn)?;
    Ok(())
}

/// Pixels that a series covers: its points and, for lines, what is between them.
fn along(points: &[(i32, i32)], mark: Mark) -> Vec<(i32, i32)> {
    if !matches!(mark, Mark::Line | Mark::Dashes) {
        return points.to_vec();
    }
    let between = |pair: &[(i32, i32)]| {
        let ((a, b), (c, d)) = (pair[0], pair[1]);
        let parts = ((c - a).abs().max((d - b).abs()) / 4).clamp(1, 1000);
        (0..=parts).map(move |k| (a + (c - a) * k / parts, b + (d - b) * k / parts))
    };
    points.windows(2).flat_map(between).collect()
}

/// The plotting area's corner and width in pixels.
fn chart_box<C: plotters::coord::CoordTranslate>(
    chart: &ChartContext<'_, SVGBackend<'_>, C>,
) -> (i32, i32, i32, i32) {
    let (xs, ys) = chart.plotting_area().get_pixel_range();
    (xs.start, ys.start, xs.end, ys.end)
}

/// Labels in the corner of the plotting area that the least is drawn in; the upper right one if several are free.
fn legend_in_a_corner(
    area: &Area<'_>,
    &(left, top, right, bottom): &(i32, i32, i32, i32),
    legend: &[&Series],
    drawn: &[(i32, i32)],
) -> Result<(), Box<dyn std::error::Error>> {
    let (base_x, base_y) = area.get_base_pixel();
    let longest = legend.iter().map(|series| series.label.chars().count()).max().unwrap_or(0) as i32;
    let (width, height) = (26 + 7 * longest, 16 * legend.len() as i32 + 8);
    let (far, low) = ((right - 4 - width).max(left + 4), (bottom - height).max(top));
    let corners = [(far, top), (far, low), (left + 8, low), (left + 8, top)];
    let covered = |&(x, y): &(i32, i32)| {
        drawn.iter().filter(|&&(a, b)| (x..x + width).contains(&a) && (y..y + height).contains(&b)).count()
    };
    let (start, top) = corners.into_iter().min_by_key(covered).unwrap_or((far, top));
    let (start, top) = (start - base_x, top - base_y);
    for (k, series) in legend.iter().enumerate() {
        let y = top + 12 + 16 * k as i32;
        let style = ShapeStyle { color: series.colour.to_rgba(), filled: true, stroke_width: 3 };
        match series.mark {
            Mark::Dots => area.draw(&Circle::new((start + 9, y), 3, style))?,
            Mark::Line => area.draw(&PathElement::new(vec![(start, y), (start + 18, y)], style))?,
            Mark::Dashes => {
                for x in [start, start + 10] {
                    area.draw(&PathElement::new(vec![(x, y), (x + 7, y)], style))?;
                }
            }
            Mark::Band => {
                let colour = series.colour.mix(0.4).filled();
                area.draw(&Rectangle::new([(start, y - 5), (start + 18, y + 5)], colour))?;
            }
        }
        let anchor = Pos::new(HPos::Left, VPos::Center);
        let words = ("sans-serif", 14).into_font().color(&INK).pos(anchor);
        area.draw(&Text::new(series.label.clone(), (start + 24, y), words))?;
    }
    Ok(())
}

/// Rows of grey pictures, each with a label at its left; 0 is black.
pub fn sheet(name: &'static str, rows: &[(String, Vec<Array2<u8>>)], scale: usize) -> Figure {
    let longest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let (gap, left) = (4, 12 + 8 * longest);
    let side = |row: &[Array2<u8>]| row.first().map_or((0, 0), Array2::dim);
    let width = rows.iter().map(|(_, row)| row.len() * (side(row).1 * scale + gap)).max().unwrap_or(0) + left;
    let mut body = String::new();
    let mut y = 0;
    for (label, row) in rows {
        let (height, across) = (side(row).0 * scale, side(row).1 * scale);
        body += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" dominant-baseline=\"central\" font-size=\"13\" fill=\"currentColor\">{label}</text>\n",
            left - 8,
            y + height / 2
        );
        for (k, picture) in row.iter().enumerate() {
            let x = left + k * (across + gap);
            body += &format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{across}\" height=\"{height}\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
                png(picture)
            );
        }
        y += height + gap;
    }
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{y}\" viewBox=\"0 0 {width} {y}\" font-family=\"sans-serif\">\n{body}</svg>\n"
    );
    Figure { name, svg: in_the_pages_colours(&svg) }
}

fn png(picture: &Array2<u8>) -> String {
    let (height, width) = picture.dim();
    let mut data = Vec::new();
    {
        let mut encoder = png::Encoder::new(&mut data, width as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().expect("memory can always be written");
        let pixels: Vec<u8> = picture.iter().copied().collect();
        writer.write_image_data(&pixels).expect("as many pixels as the header says");
    }
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// Black becomes the ink of the page around the figure; alone, the figure follows the reader's preference.
fn in_the_pages_colours(svg: &str) -> String {
    let style = "<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>";
    let svg = svg.replace("\"#000000\"", "\"currentColor\"");
    let end = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1)).unwrap_or(0);
    format!("{}\n<!-- generated by book/press -->\n{style}{}\n", &svg[..end], svg[end..].trim_end())
}
