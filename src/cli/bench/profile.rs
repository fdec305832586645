//! ONNX Runtime's own profile of a few steps: copies between host and device, and the time that is not the network's.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

/// What the profile says of one pass through a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Runs of the network.
    pub runs: usize,
    /// Nodes that copied from the device to the host.
    pub memcpy_to_host: usize,
    /// Nodes that copied from the host to the device.
    pub memcpy_from_host: usize,
    /// Both, by run.
    pub copies_per_step: f64,
    /// Share of the time from the first run's beginning to the last run's end that is not the network's: between runs,
    /// and in the step's own nodes. Nodes that the runtime has made one with the network's are taken for the network's.
    pub outside_network_percent: f64,
    /// Of that, the part of the step's own nodes, which the resident loop runs within the network's graph.
    pub step_nodes_percent: f64,
    /// The operators that took longest, with their share of all operators' time as the host sees it.
    pub busiest: Vec<Share>,
}

/// An operator's share of the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The operator.
    pub op: String,
    /// Its share.
    pub percent: f64,
}

/// How the names of the step's own nodes begin.
const OWN: &str = "alphabar.";

/// Reads a profile of two equal passes; the first warmed up and is left out.
///
/// # Errors
/// A sentence, if it is not such a profile.
pub fn read(text: &str) -> Result<Profile, String> {
    let events: Vec<Value> =
        serde_json::from_str(text).map_err(|error| format!("the runtime's profile is not JSON: {error}"))?;
    let time = |event: &Value| Some((event["ts"].as_f64()?, event["dur"].as_f64()?));
    let mut runs: Vec<(f64, f64)> =
        events.iter().filter(|event| event["name"] == "model_run").filter_map(time).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let runs = &runs[runs.len() / 2..];
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Err("the runtime's profile has no runs".to_owned());
    };
    let (start, span) = (first.0, last.0 + last.1 - first.0);
    let inside: f64 = runs.iter().map(|run| run.1).sum();
    let nodes = events.iter().filter(|event| event["cat"] == "Node" && event["args"]["op_name"].is_string());
    let (mut to_host, mut from_host, mut total, mut own) = (0, 0, 0.0, 0.0);
    let mut by_op: HashMap<&str, f64> = HashMap::new();
    for node in nodes {
        let Some((_, length)) = time(node).filter(|(begin, _)| *begin >= start) else { continue };
        // One node has up to three events; one of them is its execution.
        let Some(name) = node["name"].as_str().filter(|name| name.ends_with("_kernel_time")) else { continue };
        let op = node["args"]["op_name"].as_str().unwrap_or_default();
        to_host += usize::from(op == "MemcpyToHost");
        from_host += usize::from(op == "MemcpyFromHost");
        *by_op.entry(op).or_default() += length;
        total += length;
        own += if name.starts_with(OWN) { length } else { 0.0 };
    }
    let share = |(op, time): (&str, f64)| Share { op: op.to_owned(), percent: 100.0 * time / f64::max(total, 1e-9) };
    let mut busiest: Vec<Share> = by_op.into_iter().map(share).collect();
    busiest.sort_by(|a, b| b.percent.total_cmp(&a.percent).then_with(|| a.op.cmp(&b.op)));
    busiest.truncate(6);
    Ok(Profile {
        runs: runs.len(),
        memcpy_to_host: to_host,
        memcpy_from_host: from_host,
        copies_per_step: (to_host + from_host) as f64 / runs.len() as f64,
        outside_network_percent: 100.0 * (1.0 - (inside - own) / span.max(1e-9)),
        step_nodes_percent: 100.0 * own / span.max(1e-9),
        busiest,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pass of two runs of 80 µs with 20 µs between them, each with a copy back and, in the second, one up.
    fn pass(at: u64) -> Vec<Value> {
        let node = |op: &str, ts: u64, dur: u64| json!({"cat": "Node", "name": format!("n_{op}_kernel_time"), "ts": ts, "dur": dur, "args": {"op_name": op}});
        let run = |ts: u64| json!({"cat": "Session", "name": "model_run", "ts": ts, "dur": 80, "args": {}});
        vec![
            node("Conv", at + 5, 60),
            node("MemcpyToHost", at + 70, 5),
            run(at),
            node("MemcpyFromHost", at + 101, 5),
            node("Conv", at + 110, 25),
            node("MemcpyToHost", at + 170, 5),
            json!({"cat": "Node", "name": "n_fence_before", "ts": at + 170, "dur": 9, "args": {"op_name": "MemcpyToHost"}}),
            run(at + 100),
        ]
    }

    #[test]
    fn copies_and_gaps_are_counted_in_the_second_pass_alone() {
        let opening = json!({"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 1000, "args": {}});
        let events: Vec<Value> = [vec![opening], pass(5000), pass(9000)].concat();
        let profile = read(&Value::from(events).to_string()).unwrap();
        assert_eq!((profile.runs, profile.memcpy_to_host, profile.memcpy_from_host), (2, 2, 1));
        assert!((profile.copies_per_step - 1.5).abs() < 1e-12);
        // 20 of 180 µs are between the runs; 85 of 100 µs of the nodes are convolution.
        assert!((profile.outside_network_percent - 100.0 / 9.0).abs() < 1e-9);
        assert!(profile.step_nodes_percent <= 0.0);
        assert_eq!(profile.busiest[0].op, "Conv");
        assert!((profile.busiest[0].percent - 85.0).abs() < 1e-9);
    }

    #[test]
    fn the_steps_own_nodes_are_outside_the_network() {
        // 3 and 6 µs in each run; the copy beside them is no node of the step's, nor is what only has the name within.
        let own = |at: u64| {
            let node = |name: &str, ts: u64, dur: u64| json!({"cat": "Node", "name": name, "ts": at + ts, "dur": dur, "args": {"op_name": "Mul"}});
            let mut events = pass(at);
            for run in [0, 100] {
                events.push(node("alphabar.before.2.Mul_kernel_time", run + 1, 3));
                events.push(node("alphabar.after.0.Mul_kernel_time", run + 62, 6));
                events.push(node("alphabar.after.0.Mul_fence_before", run + 62, 1));
                events.push(node("net.alphabar.Mul_kernel_time", run + 68, 1));
            }
            events
        };
        let profile = read(&Value::from([own(5000), own(9000)].concat()).to_string()).unwrap();
        assert!((profile.step_nodes_percent - 10.0).abs() < 1e-9, "18 of 180 µs");
        assert!((profile.outside_network_percent - (100.0 / 9.0 + 10.0)).abs() < 1e-9, "20 and 18 of 180 µs");
    }

    #[test]
    fn what_is_no_profile_is_said() {
        assert!(read("{").unwrap_err().contains("JSON"));
        assert!(read("[]").unwrap_err().contains("no runs"));
    }
}
