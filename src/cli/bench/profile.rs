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

/// What one session's profile says of the second pass.
struct Session<'a> {
    runs: usize,
    inside: f64,
    span: f64,
    /// Time of the step's own nodes, within the runs.
    own: f64,
    /// Time and number of executions by operator.
    by_op: HashMap<&'a str, (f64, usize)>,
}

/// Reads the profiles of all sessions of two equal passes; the first pass warmed up and is left out. The session with
/// the most time in its runs is the network's.
///
/// # Errors
/// A sentence, if they are not such profiles.
pub fn read(texts: &[String]) -> Result<Profile, String> {
    let parse = |text: &String| {
        serde_json::from_str(text).map_err(|error| format!("the runtime's profile is not JSON: {error}"))
    };
    let events: Vec<Vec<Value>> = texts.iter().map(parse).collect::<Result<_, _>>()?;
    let sessions: Vec<Session<'_>> = events.iter().filter_map(|events| session(events)).collect();
    let network = sessions.iter().max_by(|a, b| a.inside.total_cmp(&b.inside));
    let network = network.ok_or("the runtime's profile has no runs")?;
    let mut by_op: HashMap<&str, (f64, usize)> = HashMap::new();
    for (op, (time, count)) in sessions.iter().flat_map(|session| &session.by_op) {
        let sum = by_op.entry(op).or_default();
        *sum = (sum.0 + time, sum.1 + count);
    }
    let count = |op: &str| by_op.get(op).map_or(0, |sum| sum.1);
    let (to_host, from_host) = (count("MemcpyToHost"), count("MemcpyFromHost"));
    let total: f64 = by_op.values().map(|sum| sum.0).sum();
    let share =
        |(op, sum): (&&str, &(f64, usize))| Share { op: (*op).to_owned(), percent: 100.0 * sum.0 / total.max(1e-9) };
    let mut busiest: Vec<Share> = by_op.iter().map(share).collect();
    busiest.sort_by(|a, b| b.percent.total_cmp(&a.percent).then_with(|| a.op.cmp(&b.op)));
    busiest.truncate(6);
    Ok(Profile {
        runs: network.runs,
        memcpy_to_host: to_host,
        memcpy_from_host: from_host,
        copies_per_step: (to_host + from_host) as f64 / network.runs as f64,
        outside_network_percent: 100.0 * (1.0 - (network.inside - network.own) / network.span.max(1e-9)),
        step_nodes_percent: 100.0 * network.own / network.span.max(1e-9),
        busiest,
    })
}

/// The second half of a session's runs, if it has any.
fn session(events: &[Value]) -> Option<Session<'_>> {
    let time = |event: &Value| Some((event["ts"].as_f64()?, event["dur"].as_f64()?));
    let mut runs: Vec<(f64, f64)> =
        events.iter().filter(|event| event["name"] == "model_run").filter_map(time).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let runs = &runs[runs.len() / 2..];
    let (first, last) = (runs.first()?, runs.last()?);
    let (start, span) = (first.0, last.0 + last.1 - first.0);
    let mut by_op: HashMap<&str, (f64, usize)> = HashMap::new();
    let mut own = 0.0;
    for node in events.iter().filter(|event| event["cat"] == "Node") {
        // A node may have up to three events; one of them is its execution.
        let name = node["name"].as_str().filter(|name| name.ends_with("_kernel_time"));
        if let (Some(name), Some(op), Some((begin, length))) = (name, node["args"]["op_name"].as_str(), time(node))
            && begin >= start
        {
            let sum = by_op.entry(op).or_default();
            *sum = (sum.0 + length, sum.1 + 1);
            own += if name.starts_with(OWN) { length } else { 0.0 };
        }
    }
    Some(Session { runs: runs.len(), inside: runs.iter().map(|run| run.1).sum(), span, own, by_op })
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
        // Beside it a session that was never run, and one that copies once a step.
        let small = |at: u64| {
            [
                json!({"cat": "Session", "name": "model_run", "ts": at, "dur": 1, "args": {}}),
                json!({"cat": "Node", "name": "m_kernel_time", "ts": at, "dur": 0, "args": {"op_name": "MemcpyToHost"}}),
            ]
        };
        let beside = [small(1), small(2), small(3), small(4)].concat();
        let texts = [vec![], events.clone(), beside].map(|events| Value::from(events).to_string());
        let both = read(&texts).unwrap();
        assert_eq!((both.runs, both.memcpy_to_host, both.memcpy_from_host), (2, 4, 1));
        let profile = read(&[Value::from(events).to_string()]).unwrap();
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
        let profile = read(&[Value::from([own(5000), own(9000)].concat()).to_string()]).unwrap();
        assert!((profile.step_nodes_percent - 10.0).abs() < 1e-9, "18 of 180 µs");
        assert!((profile.outside_network_percent - (100.0 / 9.0 + 10.0)).abs() < 1e-9, "20 and 18 of 180 µs");
    }

    #[test]
    fn what_is_no_profile_is_said() {
        assert!(read(&["{".to_owned()]).unwrap_err().contains("JSON"));
        assert!(read(&["[]".to_owned()]).unwrap_err().contains("no runs"));
    }
}
