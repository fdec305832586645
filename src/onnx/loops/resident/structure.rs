//! What a plan asks of the step graph, and the table of its coefficients.

use crate::plan::{Clip, MAX_REGISTERS, Noise, Plan, Source, Step};

/// The parts of the plan language that a plan uses: plans of one structure share a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Structure {
    /// A step scales the network's input.
    pub(super) scaled: bool,
    /// A step clips x̂₀ to a range.
    pub(super) clipped: bool,
    /// A step adds or stores noise.
    pub(super) noisy: bool,
    /// A step adds noise of a standard deviation that the plan knows.
    pub(super) fixed_noise: bool,
    /// A step adds noise of a learned variance.
    pub(super) learned_noise: bool,
    /// The registers, by number.
    pub(super) registers: Vec<Register>,
    /// Conditional and unconditional output are combined.
    pub(super) guided: bool,
}

/// What happens to a register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Register {
    /// A step adds it to x'.
    pub(super) read: bool,
    /// What steps fill it with.
    pub(super) sources: Vec<Source>,
}

/// A column of the table: one coefficient for every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// s.
    Scale,
    /// a.
    X0FromX,
    /// b.
    X0FromOut,
    /// Lower and upper end of the range of x̂₀.
    Low,
    High,
    /// c, d, f.
    X,
    X0,
    Out,
    /// g of a register.
    Read(usize),
    /// Standard deviation of the noise where the plan knows it, else 0.
    Std,
    /// Middle and half width of the logarithm of a learned standard deviation; −∞ and 0, so that it is 0, elsewhere.
    Middle,
    Half,
    /// 1 where a register stays as it is, else 0.
    Keep(usize),
    /// 1 where a register is filled with the source, else 0.
    Fill(usize, Source),
}

impl Structure {
    /// Reads a plan.
    ///
    /// # Errors
    /// Why the plan cannot be carried out on the device, in a few words.
    pub(super) fn of(plan: &Plan, guided: bool) -> Result<Self, String> {
        let steps = plan.steps();
        if steps.iter().any(|step| matches!(step.clip, Clip::Quantile { .. })) {
            return Err("clipping to a quantile needs a sort on the device, which is not built".to_owned());
        }
        let mut registers = vec![Register::default(); plan.registers().min(MAX_REGISTERS)];
        for step in steps {
            for term in &step.registers {
                registers[term.register].read = true;
            }
            for store in &step.store {
                let sources = &mut registers[store.register].sources;
                if !sources.contains(&store.source) {
                    sources.push(store.source);
                }
            }
        }
        #[expect(clippy::float_cmp, reason = "a scale of exactly 1 is no scale")]
        let scaled = steps.iter().any(|step| step.input_scale != 1.0);
        Ok(Self {
            scaled,
            clipped: steps.iter().any(|step| step.clip != Clip::None),
            noisy: !plan.is_deterministic(),
            fixed_noise: steps.iter().any(|step| matches!(step.noise, Noise::Scaled { .. })),
            learned_noise: plan.needs_learned_variance(),
            registers,
            guided,
        })
    }

    /// The columns of the table, in order.
    ///
    /// a, b, c, d and f are always there. Since 0·NaN is NaN, a network's output that is not finite then shows in x'
    /// whatever the coefficients are, and stays there.
    pub(super) fn columns(&self) -> Vec<Column> {
        use Column::{Fill, Half, High, Keep, Low, Middle, Out, Read, Scale, Std, X, X0, X0FromOut, X0FromX};
        let mut columns = vec![X0FromX, X0FromOut, X, X0, Out];
        let mut also = |used: bool, more: &[Column]| columns.extend(more.iter().filter(|_| used));
        also(self.scaled, &[Scale]);
        also(self.clipped, &[Low, High]);
        also(self.fixed_noise, &[Std]);
        also(self.learned_noise, &[Middle, Half]);
        for (r, register) in self.registers.iter().enumerate() {
            also(register.read, &[Read(r)]);
            also(true, &[Keep(r)]);
            let fills: Vec<Column> = register.sources.iter().map(|&source| Fill(r, source)).collect();
            also(true, &fills);
        }
        columns
    }

    /// The table, steps × columns, every coefficient rounded once to f32 as the host's executor does it.
    pub(super) fn table(&self, plan: &Plan) -> Vec<f32> {
        let columns = self.columns();
        plan.steps().iter().flat_map(|step| columns.iter().map(|column| column.of(step) as f32)).collect()
    }
}

impl Column {
    /// The coefficient of one step.
    fn of(self, step: &Step) -> f64 {
        let flag = |set: bool| if set { 1.0 } else { 0.0 };
        let bound = if let Clip::Range { bound } = step.clip { bound } else { f64::INFINITY };
        let (middle, half) = match step.noise {
            Noise::Learned { log_var_low: low, log_var_high: high } => (0.25 * (high + low), 0.25 * (high - low)),
            Noise::None | Noise::Scaled { .. } => (f64::NEG_INFINITY, 0.0),
        };
        match self {
            Self::Scale => step.input_scale,
            Self::X0FromX => step.x0_from_x,
            Self::X0FromOut => step.x0_from_out,
            Self::Low => -bound,
            Self::High => bound,
            Self::X => step.x,
            Self::X0 => step.x0,
            Self::Out => step.out,
            Self::Read(r) => step.registers.iter().filter(|term| term.register == r).map(|term| term.factor).sum(),
            Self::Std => {
                if let Noise::Scaled { std } = step.noise {
                    std
                } else {
                    0.0
                }
            }
            Self::Middle => middle,
            Self::Half => half,
            Self::Keep(r) => flag(step.store.iter().all(|store| store.register != r)),
            Self::Fill(r, source) => {
                // As the host's executor has it: the last one counts, but x comes after all others.
                let mut fills = step.store.iter().filter(|store| store.register == r).map(|store| store.source);
                let wins =
                    if fills.clone().any(|fill| fill == Source::X) { Some(Source::X) } else { fills.next_back() };
                flag(wins == Some(source))
            }
        }
    }
}
