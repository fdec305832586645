//! What a graph takes and gives, read from the graph itself.
//!
//! The convention is the ecosystem's: `sample` [batch, C, H, W], `timestep` of rank 0 or 1, `class_labels` where the
//! model is conditioned on classes, `out_sample` with C channels, or 2C where it also predicts a variance. A graph
//! with other names is understood from ranks and element types if there is only one way to do so, and a note says
//! which way was taken.

use std::collections::BTreeMap;

use super::ports::{Dim, Element, Graph, IoNames, Port, TimestepPort, TimestepShape};
use super::source::UnetConfig;
use crate::onnx::error::{Error, Result};

/// What a model takes and gives, understood.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contract {
    /// The noisy sample: float32 or float16, [batch, C, H, W].
    pub sample: Port,
    /// The time.
    pub timestep: TimestepPort,
    /// The class labels (int64 or int32, one for each sample), if the model takes them.
    pub class_labels: Option<Port>,
    /// The prediction.
    pub out_sample: Port,
    /// Inputs that the user must supply; the first axis is the batch.
    pub extra: Vec<Port>,
    /// The batch size that the graph fixes, if it does.
    pub batch: Option<usize>,
    /// Channels C of a sample.
    pub channels: usize,
    /// Channels of the output, C or 2C; `None` if only a run can tell.
    pub out_channels: Option<usize>,
    /// Height, from the graph or else from the pipeline's configuration.
    pub height: Option<usize>,
    /// Width, likewise.
    pub width: Option<usize>,
    /// Number of classes, without the null label, if anything says it.
    pub classes: Option<usize>,
    /// The label that means "no class".
    pub null_label: Option<i64>,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// The graph's metadata.
    pub metadata: BTreeMap<String, String>,
    /// What had to be guessed, in sentences.
    pub notes: Vec<String>,
}

impl Contract {
    /// Reads a graph.
    ///
    /// # Errors
    /// One of [`Error::PortMissing`], [`Error::PortAmbiguous`], [`Error::PortUnknown`], [`Error::PortMisfit`],
    /// [`Error::Channels`] and [`Error::BadMetadata`].
    pub fn read(graph: &Graph, names: &IoNames, config: Option<&UnetConfig>) -> Result<Self> {
        let mut notes = Vec::new();
        let mut inputs: Vec<&Port> = graph.inputs.iter().collect();

        let sample = pick("sample", &mut inputs, names.sample.as_deref(), &mut notes, SAMPLE, |p| {
            p.rank() == 4 && p.element.is_float()
        })?
        .clone();
        check_sample(&sample)?;
        let batch = sample.dims[0].fixed();

        // Labels under their own name are taken out first: they are no candidate for the time then.
        let mut class_labels = None;
        let labels_named = names.class_labels.is_some() || inputs.iter().any(|p| p.name == "class_labels");
        if labels_named {
            class_labels =
                Some(pick("class_labels", &mut inputs, names.class_labels.as_deref(), &mut notes, LABELS, |_| {
                    false
                })?);
        }
        let timestep = pick_timestep(&mut inputs, names.timestep.as_deref(), &mut notes)?;
        if class_labels.is_none() {
            let fits: Vec<&Port> =
                inputs.iter().copied().filter(|p| p.rank() == 1 && p.element.is_integer()).collect();
            if let [one] = fits[..] {
                notes.push(format!("input {} is taken for class_labels", one.name));
                inputs.retain(|p| p.name != one.name);
                class_labels = Some(one);
            }
        }
        let class_labels = class_labels.cloned();
        if let Some(labels) = &class_labels {
            check_labels(labels, batch)?;
        }
        let timestep = read_timestep(timestep, batch)?;

        let mut outputs: Vec<&Port> = graph.outputs.iter().collect();
        let out_sample = pick("out_sample", &mut outputs, names.out_sample.as_deref(), &mut notes, OUTPUT, |p| {
            graph.outputs.len() == 1 || (p.rank() == 4 && p.element.is_float())
        })?
        .clone();

        let channels = sample.dims[1].fixed().or_else(|| config.and_then(|c| c.in_channels)).ok_or_else(|| {
            Error::PortMisfit {
                role: "sample".to_owned(),
                found: sample.to_string(),
                expected: "a fixed number of channels (second dimension)".to_owned(),
            }
        })?;
        let size = config.and_then(|c| c.sample_size);
        let height = sample.dims[2].fixed().or(size.map(|s| s.0));
        let width = sample.dims[3].fixed().or(size.map(|s| s.1));
        let out_channels = check_output(&out_sample, channels, height, width, config)?;

        let labels = read_labels(&graph.metadata, config)?;
        Ok(Self {
            timestep,
            out_sample,
            extra: inputs.into_iter().cloned().collect(),
            batch,
            channels,
            out_channels,
            height,
            width,
            classes: class_labels.as_ref().and(labels.classes),
            null_label: class_labels.as_ref().and(labels.null_label),
            class_names: if class_labels.is_some() { labels.names } else { Vec::new() },
            metadata: graph.metadata.clone(),
            notes,
            sample,
            class_labels,
        })
    }

    /// Whether the output carries a variance beside the prediction; `None` if only a run can tell.
    #[must_use]
    pub fn learned_variance(&self) -> Option<bool> {
        self.out_channels.map(|n| n == 2 * self.channels)
    }

    /// Checks one class label.
    ///
    /// # Errors
    /// [`Error::NoLabels`] for a model that takes none; [`Error::LabelOutOfRange`].
    pub fn check_label(&self, label: i64) -> Result<()> {
        if self.class_labels.is_none() {
            return Err(Error::NoLabels);
        }
        let in_range = match self.classes {
            Some(n) => usize::try_from(label).is_ok_and(|l| l < n),
            None => label >= 0,
        };
        if in_range || self.null_label == Some(label) {
            return Ok(());
        }
        Err(Error::LabelOutOfRange { label, classes: self.classes.unwrap_or(0), null_label: self.null_label })
    }
}

const SAMPLE: &str = "a float32 or float16 input of rank 4, [batch, C, H, W]";
const TIMESTEP: &str = "an int64, int32, float32, float16 or float64 input of rank 0 or 1";
const LABELS: &str = "an int64 or int32 input of rank 1";
const OUTPUT: &str = "a float32 or float16 output of rank 4, [batch, C or 2C, H, W]";

/// The names of some ports, with types and dimensions.
fn present(ports: &[&Port]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Takes the port that plays a role out of `ports`: the one named by the user, else the one with the role's own name,
/// else the only one that fits.
fn pick<'g>(
    role: &'static str,
    ports: &mut Vec<&'g Port>,
    named: Option<&str>,
    notes: &mut Vec<String>,
    expected: &'static str,
    fits: impl Fn(&Port) -> bool,
) -> Result<&'g Port> {
    let wanted = named.unwrap_or(role);
    let chosen = if let Some(at) = ports.iter().position(|p| p.name == wanted) {
        at
    } else if let Some(name) = named {
        return Err(Error::PortUnknown { role, name: name.to_owned(), present: present(ports) });
    } else {
        let fitting: Vec<usize> = (0..ports.len()).filter(|&i| fits(ports[i])).collect();
        match fitting[..] {
            [] => return Err(Error::PortMissing { role, expected, present: present(ports) }),
            [one] => {
                let kind = if role == "out_sample" { "output" } else { "input" };
                notes.push(format!("{kind} {} is taken for {role}", ports[one].name));
                one
            }
            _ => {
                let candidates: Vec<&Port> = fitting.iter().map(|&i| ports[i]).collect();
                return Err(Error::PortAmbiguous { role, candidates: present(&candidates) });
            }
        }
    };
    Ok(ports.remove(chosen))
}

/// The time: where several inputs could be it, a scalar or a float is it rather than a vector of integers, which may
/// hold labels.
fn pick_timestep<'g>(inputs: &mut Vec<&'g Port>, named: Option<&str>, notes: &mut Vec<String>) -> Result<&'g Port> {
    let fits = |p: &Port| p.rank() <= 1 && (p.element.is_float() || p.element.is_integer());
    let cannot_be_labels = |p: &Port| fits(p) && (p.rank() == 0 || p.element.is_float());
    let narrow =
        inputs.iter().filter(|p| fits(p)).count() > 1 && inputs.iter().filter(|p| cannot_be_labels(p)).count() == 1;
    pick("timestep", inputs, named, notes, TIMESTEP, |p| if narrow { cannot_be_labels(p) } else { fits(p) })
}

fn misfit(port: &Port, role: &str, expected: impl Into<String>) -> Error {
    Error::PortMisfit { role: role.to_owned(), found: port.to_string(), expected: expected.into() }
}

fn check_sample(port: &Port) -> Result<()> {
    let sizes_ok = port.dims.iter().all(|d| d.fixed() != Some(0));
    if port.rank() == 4 && matches!(port.element, Element::F32 | Element::F16) && sizes_ok {
        return Ok(());
    }
    Err(misfit(port, "sample", SAMPLE))
}

fn check_labels(port: &Port, batch: Option<usize>) -> Result<()> {
    let length_ok = |n: usize| n == 1 && batch.is_none_or(|b| b == 1) || Some(n) == batch;
    let fits = port.rank() == 1 && port.element.is_integer() && port.dims[0].fixed().is_none_or(length_ok);
    if fits { Ok(()) } else { Err(misfit(port, "class_labels", format!("{LABELS}, one label for each sample"))) }
}

fn read_timestep(port: &Port, batch: Option<usize>) -> Result<TimestepPort> {
    if !(port.element.is_float() || port.element.is_integer()) {
        return Err(misfit(port, "timestep", TIMESTEP));
    }
    let shape = match &port.dims[..] {
        [] => TimestepShape::Scalar,
        [Dim::Free(_)] => TimestepShape::PerSample,
        [Dim::Fixed(n)] if Some(*n) == batch => TimestepShape::PerSample,
        [Dim::Fixed(1)] => TimestepShape::One,
        _ => return Err(misfit(port, "timestep", format!("{TIMESTEP}, of length 1 or the batch"))),
    };
    Ok(TimestepPort { name: port.name.clone(), element: port.element.clone(), shape })
}

/// Checks the output against the sample and returns its channels, if the graph says them.
fn check_output(
    port: &Port,
    channels: usize,
    height: Option<usize>,
    width: Option<usize>,
    config: Option<&UnetConfig>,
) -> Result<Option<usize>> {
    let typed = matches!(port.element, Element::F32 | Element::F16);
    // An exporter that loses track of shapes leaves the output without a rank, which reads as rank 0.
    if typed && port.rank() == 0 {
        return Ok(None);
    }
    let differs = |dim: &Dim, size: Option<usize>| matches!((dim.fixed(), size), (Some(a), Some(b)) if a != b);
    if !typed || port.rank() != 4 {
        return Err(misfit(port, "out_sample", OUTPUT));
    }
    if differs(&port.dims[2], height) || differs(&port.dims[3], width) {
        let size = |n: Option<usize>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
        return Err(misfit(port, "out_sample", format!("the sample's size, {} by {}", size(height), size(width))));
    }
    match port.dims[1].fixed().or_else(|| config.and_then(|c| c.out_channels)) {
        None => Ok(None),
        Some(out) if out == channels || out == 2 * channels => Ok(Some(out)),
        Some(out) => Err(Error::Channels { input: channels, output: out }),
    }
}

struct Labels {
    classes: Option<usize>,
    null_label: Option<i64>,
    names: Vec<String>,
}

fn read_labels(metadata: &BTreeMap<String, String>, config: Option<&UnetConfig>) -> Result<Labels> {
    let null_label = metadata
        .get("null_label")
        .map(|text| {
            text.trim().parse::<i64>().map_err(|_| Error::BadMetadata {
                key: "null_label",
                found: text.clone(),
                expected: "a whole number",
            })
        })
        .transpose()?;
    let names: Vec<String> = metadata
        .get("class_names")
        .map(|text| {
            serde_json::from_str(text).map_err(|_| Error::BadMetadata {
                key: "class_names",
                found: text.clone(),
                expected: "a JSON list of strings",
            })
        })
        .transpose()?
        .unwrap_or_default();
    let embedded = config.and_then(|c| c.num_class_embeds).map(|n| match null_label {
        // The null label is the last row of the embedding.
        Some(null) if n > 0 && i64::try_from(n - 1) == Ok(null) => n - 1,
        _ => n,
    });
    let classes = if names.is_empty() { embedded } else { Some(names.len()) };
    Ok(Labels { classes, null_label, names })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    fn port(name: &str, element: Element, dims: &[i64]) -> Port {
        let dims =
            dims.iter().map(|&d| usize::try_from(d).map_or_else(|_| Dim::Free("batch".into()), Dim::Fixed)).collect();
        Port { name: name.into(), element, dims }
    }

    fn graph(inputs: Vec<Port>, outputs: Vec<Port>) -> Graph {
        Graph { inputs, outputs, metadata: BTreeMap::new() }
    }

    fn usual() -> Graph {
        graph(
            vec![
                port("sample", Element::F32, &[-1, 3, 8, 8]),
                port("timestep", Element::I64, &[-1]),
                port("class_labels", Element::I64, &[-1]),
            ],
            vec![port("out_sample", Element::F32, &[-1, 3, 8, 8])],
        )
    }

    fn read(g: &Graph) -> Result<Contract> {
        Contract::read(g, &IoNames::default(), None)
    }

    #[test]
    fn usual_names_are_understood_without_a_note() {
        let c = read(&usual()).unwrap();
        assert_eq!((c.channels, c.out_channels, c.height, c.width), (3, Some(3), Some(8), Some(8)));
        assert_eq!(c.timestep.shape, TimestepShape::PerSample);
        assert!(c.class_labels.is_some() && c.extra.is_empty() && c.notes.is_empty());
        assert_eq!((c.batch, c.learned_variance()), (None, Some(false)));
    }

    #[test]
    fn other_names_are_recognised_by_rank_and_type() {
        let mut g = usual();
        for (p, name) in g.inputs.iter_mut().zip(["x", "t", "y"]) {
            p.name = name.into();
        }
        g.outputs[0].name = "eps".into();
        // Two integer vectors: either may be the time.
        assert!(matches!(read(&g), Err(Error::PortAmbiguous { role: "timestep", .. })));
        let named: IoNames = "timestep=t".parse().unwrap();
        let c = Contract::read(&g, &named, None).unwrap();
        assert_eq!(c.class_labels.as_ref().unwrap().name, "y");
        assert_eq!(c.notes.len(), 3);
        // A scalar or a float cannot be the labels.
        g.inputs[1] = port("t", Element::I64, &[]);
        assert_eq!(read(&g).unwrap().timestep.shape, TimestepShape::Scalar);
        g.inputs[1] = port("t", Element::F32, &[-1]);
        assert_eq!(read(&g).unwrap().timestep.name, "t");
    }

    #[test]
    fn further_inputs_are_listed() {
        let mut g = usual();
        g.inputs.push(port("image", Element::F32, &[-1, 3, 8, 8]));
        let c = read(&g).unwrap();
        assert_eq!(c.extra.len(), 1);
        g.inputs[0].name = "x".into();
        assert!(matches!(read(&g), Err(Error::PortAmbiguous { role: "sample", .. })));
    }

    #[test]
    fn channel_counts_must_belong_together() {
        let mut g = usual();
        g.outputs[0].dims[1] = Dim::Fixed(6);
        assert_eq!(read(&g).unwrap().learned_variance(), Some(true));
        g.outputs[0].dims[1] = Dim::Fixed(4);
        assert_eq!(read(&g).unwrap_err(), Error::Channels { input: 3, output: 4 });
        g.outputs[0].dims[1] = Dim::Free(String::new());
        assert_eq!(read(&g).unwrap().learned_variance(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut g = usual();
        g.inputs[0].element = Element::Other("bfloat16".into());
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "sample"));
        let mut g = usual();
        g.inputs[0].dims.pop();
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "sample"));
        let mut g = usual();
        g.inputs[1].dims.push(Dim::Fixed(3));
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "timestep"));
        let mut g = usual();
        g.inputs[1].dims = vec![Dim::Fixed(7)];
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "timestep"));
        let mut g = usual();
        g.inputs[2].element = Element::F32;
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "class_labels"));
        let mut g = usual();
        g.outputs[0].dims[3] = Dim::Fixed(9);
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "out_sample"));
        let mut g = usual();
        g.inputs[0].dims[1] = Dim::Free(String::new());
        assert!(matches!(read(&g), Err(Error::PortMisfit { role, .. }) if role == "sample"));
        let mut g = usual();
        g.inputs.remove(1);
        assert!(matches!(read(&g), Err(Error::PortMissing { role: "timestep", .. })));
        let named: IoNames = "out_sample=nope".parse().unwrap();
        assert!(matches!(Contract::read(&usual(), &named, None), Err(Error::PortUnknown { role: "out_sample", .. })));
        assert!(matches!(read(&Graph::default()), Err(Error::PortMissing { role: "sample", .. })));
    }

    #[test]
    fn labels_come_from_metadata_or_configuration() {
        let mut g = usual();
        g.metadata.insert("null_label".into(), "2".into());
        g.metadata.insert("class_names".into(), r#"["cat", "dog"]"#.into());
        let c = read(&g).unwrap();
        assert_eq!((c.classes, c.null_label), (Some(2), Some(2)));
        assert_eq!(c.check_label(1), Ok(()));
        assert_eq!(c.check_label(2), Ok(()));
        for label in [-1, 3] {
            assert!(matches!(c.check_label(label), Err(Error::LabelOutOfRange { .. })));
        }
        let config = UnetConfig { num_class_embeds: Some(11), ..UnetConfig::default() };
        g.metadata.remove("class_names");
        g.metadata.insert("null_label".into(), "10".into());
        assert_eq!(Contract::read(&g, &IoNames::default(), Some(&config)).unwrap().classes, Some(10));
        g.metadata.insert("null_label".into(), "ten".into());
        assert!(matches!(read(&g), Err(Error::BadMetadata { key: "null_label", .. })));
        g.metadata.insert("null_label".into(), "10".into());
        g.metadata.insert("class_names".into(), "[1]".into());
        assert!(matches!(read(&g), Err(Error::BadMetadata { key: "class_names", .. })));
        let mut g = usual();
        g.inputs.pop();
        assert_eq!(read(&g).unwrap().check_label(0), Err(Error::NoLabels));
    }

    #[test]
    fn a_free_size_is_taken_from_the_configuration() {
        let mut g = usual();
        g.inputs[0].dims[2] = Dim::Free("h".into());
        g.inputs[0].dims[3] = Dim::Free("w".into());
        assert_eq!(read(&g).unwrap().height, None);
        let config = UnetConfig { sample_size: Some((8, 8)), ..UnetConfig::default() };
        let c = Contract::read(&g, &IoNames::default(), Some(&config)).unwrap();
        assert_eq!((c.height, c.width), (Some(8), Some(8)));
    }

    #[test]
    fn io_names_are_parsed() {
        let n: IoNames = " sample = x ,timestep=t,class_labels=y,out_sample=eps".parse().unwrap();
        assert_eq!((n.sample.as_deref(), n.out_sample.as_deref()), (Some("x"), Some("eps")));
        assert_eq!("".parse::<IoNames>(), Ok(IoNames::default()));
        for bad in ["sample", "sample=", "image=x", "sample=a,sample=b"] {
            assert!(matches!(bad.parse::<IoNames>(), Err(Error::BadIoNames { .. })), "{bad}");
        }
    }

    #[test]
    fn the_time_is_rounded_only_as_the_graph_needs() {
        let at = |element, t| TimestepPort { name: "t".into(), element, shape: TimestepShape::Scalar }.seen(t);
        assert_eq!(at(Element::I64, 254.499), 254.0);
        assert_eq!(at(Element::F64, 254.499), 254.499);
        assert_eq!(at(Element::F16, 2049.0), 2048.0);
    }
}
