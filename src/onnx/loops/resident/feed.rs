//! Normals for a run, drawn ahead of time on other threads and put into the device's memory while the network runs.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use ort::value::Tensor;

use super::memory::Copies;
use crate::noise;
use crate::onnx::runtime::capture::calling;

/// Buffers that each drawing thread fills ahead.
pub(super) const AHEAD: usize = 2;

/// Tensors that a run's noise passes through: host buffers to draw into, and the device's two.
#[derive(Debug)]
pub(super) struct Tensors {
    /// [`AHEAD`] for each drawing thread.
    pub(super) host: Vec<Tensor<f32>>,
    /// z as the even and the odd steps read it.
    pub(super) device: [Tensor<f32>; 2],
    /// How they are copied, apart from everything else.
    pub(super) copies: Copies,
}

/// A step that needs noise: which of the two tensors it reads, and the number of its draw.
pub(super) type Draw = (usize, u32);

/// The receiving end, in the thread that runs the steps.
pub(super) struct Feed<'scope> {
    ready: Receiver<ort::Result<Tensor<f32>>>,
    free: [SyncSender<Tensor<f32>>; 2],
    /// Ends with the other ends of `free`, which it takes tensors from until then.
    delivery: ScopedJoinHandle<'scope, ([Receiver<Tensor<f32>>; 2], Copies)>,
    host: Receiver<Tensor<f32>>,
}

impl<'scope> Feed<'scope> {
    /// Starts drawing, in as many threads as there are pairs of host buffers. The threads end when the last draw has
    /// been taken or the feed is dropped.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        seeds: &'scope [u64],
        draws: &'scope [Draw],
        tensors: Tensors,
    ) -> Self {
        let threads = (tensors.host.len() / AHEAD).max(1);
        let (finished, host) = sync_channel(tensors.host.len());
        let mut buffers = tensors.host.into_iter();
        // Thread k draws for every `threads`-th noisy step from the k-th on; filled buffers go one way, empty ones back.
        let mut sources = Vec::with_capacity(threads);
        for k in 0..threads {
            let (filled, next) = sync_channel::<Tensor<f32>>(AHEAD);
            let (back, empty) = sync_channel::<Tensor<f32>>(AHEAD + 1);
            for buffer in buffers.by_ref().take(AHEAD) {
                // The channel has room for them all.
                let _ = back.send(buffer);
            }
            let finished = finished.clone();
            scope.spawn(move || {
                for &(_, draw) in draws.iter().skip(k).step_by(threads) {
                    let Ok(mut buffer) = empty.recv() else { return };
                    noise::fill_batch(seeds, draw, buffer.extract_tensor_mut().1);
                    if filled.send(buffer).is_err() {
                        return;
                    }
                }
                for buffer in empty {
                    let _ = finished.send(buffer);
                }
            });
            sources.push((next, back));
        }
        let (put, ready) = sync_channel(1);
        let ((free_even, even), (free_odd, odd)) = (sync_channel(1), sync_channel(1));
        let ([first, second], copies) = (tensors.device, tensors.copies);
        let (_, _) = (free_even.send(first), free_odd.send(second));
        let delivery = scope.spawn(move || {
            let free = [even, odd];
            // An error here is the other side's end of interest.
            let _ = deliver(draws, &sources, &free, &put, &copies);
            (free, copies)
        });
        Self { ready, free: [free_even, free_odd], delivery, host }
    }

    /// The next step's noise, in the tensor that the step reads.
    pub(super) fn next(&self) -> ort::Result<Tensor<f32>> {
        self.ready.recv().unwrap_or_else(|RecvError| Err(ort::Error::new("the threads that draw noise have ended")))
    }

    /// Gives a tensor back after the step that read it.
    pub(super) fn done(&self, side: usize, z: Tensor<f32>) {
        // The other end is alive until `finish`, and there is room for the one tensor of each side.
        let _ = self.free[side].send(z);
    }

    /// The tensors, once every draw has been taken and given back.
    pub(super) fn finish(self) -> Option<Tensors> {
        let Self { ready, free, delivery, host } = self;
        drop(ready);
        let ([even, odd], copies) = delivery.join().ok()?;
        drop(free);
        let device = [even.recv().ok()?, odd.recv().ok()?];
        Some(Tensors { host: host.iter().collect(), device, copies })
    }
}

/// Filled buffers of a drawing thread, and the way back for empty ones.
type Source = (Receiver<Tensor<f32>>, SyncSender<Tensor<f32>>);

/// Takes filled buffers in the order of the steps and copies each into its tensor as soon as that is free.
fn deliver(
    draws: &[Draw],
    sources: &[Source],
    free: &[Receiver<Tensor<f32>>; 2],
    put: &SyncSender<ort::Result<Tensor<f32>>>,
    copies: &Copies,
) -> Result<(), RecvError> {
    for (n, &(side, _)) in draws.iter().enumerate() {
        let (next, back) = &sources[n % sources.len()];
        let filled = next.recv()?;
        let mut z = free[side].recv()?;
        let copied = {
            let _calling = calling();
            copies.copy(&filled, &mut z)
        };
        let failed = copied.is_err();
        // A thread that has drawn its last no longer waits for buffers.
        let _ = back.send(filled);
        put.send(copied.map(|()| z)).map_err(|_| RecvError)?;
        if failed {
            return Err(RecvError);
        }
    }
    Ok(())
}
