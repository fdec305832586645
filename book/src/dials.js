// The page "Turn the dials": schedule, posterior, score and trajectories computed here, in the page.
// `dials.numbers` and `dials.path` are held against the Rust library in a browser (book/press/tests/browser.rs).
"use strict";

const dials = (() => {
    // ---------------------------------------------------------------- the mathematics

    /** β_1 … β_T, index t − 1; the formulas of alphabar's `Betas`. */
    function betas(schedule, steps) {
        const spread = (f, start, end) =>
            Array.from({ length: steps }, (_, i) => f(start + (steps > 1 ? i / (steps - 1) : 0) * (end - start)));
        const curve = (t) => Math.cos(((t / steps + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
        switch (schedule) {
            case "linear":
                return spread((b) => b, 1e-4, 0.02);
            case "scaled_linear":
                return spread((root) => root * root, Math.sqrt(0.00085), Math.sqrt(0.012));
            case "sigmoid":
                return spread((u) => 1e-4 + (0.02 - 1e-4) / (1 + Math.exp(-u)), -6, 6);
            case "cosine":
                return Array.from({ length: steps }, (_, i) => Math.min(1 - curve(i + 1) / curve(i), 0.999));
            case "jsd":
                return Array.from({ length: steps }, (_, i) => 1 / (steps - i));
            default:
                throw new Error(`no schedule ${schedule}`);
        }
    }

    /** Levels 0 … T: ᾱ as a product, 1 − ᾱ by v ← (1 − β) v + β, which subtracts nothing. */
    function levels(beta) {
        const all = [{ alphaBar: 1, noiseVar: 0 }];
        for (const b of beta) {
            const { alphaBar, noiseVar } = all[all.length - 1];
            all.push({ alphaBar: alphaBar * (1 - b), noiseVar: (1 - b) * noiseVar + b });
        }
        return all;
    }

    const DATA = {
        gaussian: [{ weight: 1, mean: 0.4, var: 0.49 }],
        mixture: [
            { weight: 0.3, mean: -1.5, var: 0.09 },
            { weight: 0.7, mean: 1.0, var: 0.25 },
        ],
    };

    const normal = (x, mean, variance) => Math.exp(-0.5 * (x - mean) ** 2 / variance) / Math.sqrt(2 * Math.PI * variance);

    /** The law of a·x + √v·ε for x of the given law. */
    const noised = (law, a, v) =>
        law.map((c) => ({ weight: c.weight, mean: a * c.mean, var: a * a * c.var + v }));

    const density = (law, x) => law.reduce((sum, c) => sum + c.weight * normal(x, c.mean, c.var), 0);

    /** Shares of the components at x, by differences of logarithms. */
    function shares(law, x) {
        const logs = law.map((c) => Math.log(c.weight) - 0.5 * Math.log(c.var) - 0.5 * (x - c.mean) ** 2 / c.var);
        const top = Math.max(...logs);
        const raw = logs.map((l) => Math.exp(l - top));
        const total = raw.reduce((a, b) => a + b, 0);
        return raw.map((r) => r / total);
    }

    const score = (law, x) => shares(law, x).reduce((sum, r, k) => sum + r * (law[k].mean - x) / law[k].var, 0);

    /** The law of x given y = a·x + √v·ε. */
    function given(law, a, v, y) {
        const r = shares(noised(law, a, v), y);
        return law.map((c, k) => {
            const total = a * a * c.var + v;
            return { weight: r[k], mean: c.mean + (a * c.var / total) * (y - a * c.mean), var: c.var * v / total };
        });
    }

    const mean = (law) => law.reduce((sum, c) => sum + c.weight * c.mean, 0);
    const variance = (law) => {
        const m = mean(law);
        return law.reduce((sum, c) => sum + c.weight * (c.var + (c.mean - m) ** 2), 0);
    };

    /** Everything that the page shows for one setting of the dials. */
    function numbers({ schedule, steps, t, data, x0, xt }) {
        const beta = betas(schedule, steps);
        const all = levels(beta);
        const b = beta[t - 1];
        const { alphaBar, noiseVar } = all[t];
        const before = all[t - 1];
        const law = DATA[data];
        const signal = Math.sqrt(alphaBar);
        const noise = Math.sqrt(noiseVar);
        const marginal = noised(law, signal, noiseVar);
        const clean = given(law, signal, noiseVar, xt);
        const onX0 = t === 1 ? 1 : Math.sqrt(before.alphaBar) * b / noiseVar;
        const onXt = t === 1 ? 0 : Math.sqrt(1 - b) * before.noiseVar / noiseVar;
        const x0Hat = mean(clean);
        const epsHat = -noise * score(marginal, xt);
        return {
            beta: b,
            alpha_bar: alphaBar,
            one_minus_alpha_bar: noiseVar,
            snr: alphaBar / noiseVar,
            log_snr: Math.log(alphaBar / noiseVar),
            beta_tilde: t === 1 ? 0 : (before.noiseVar / noiseVar) * b,
            on_x0: onX0,
            on_xt: onXt,
            posterior_mean: onX0 * x0 + onXt * xt,
            density: density(marginal, xt),
            score: score(marginal, xt),
            x0_hat: x0Hat,
            x0_var: variance(clean),
            eps_hat: epsHat,
            v_hat: signal * epsHat - noise * x0Hat,
        };
    }

    /** Both halves of a·b for unsigned 32-bit numbers. */
    function product(a, b) {
        const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
        const middle = ah * bl + ((al * bl) >>> 16);
        const other = al * bh + (middle & 0xffff);
        return [ah * bh + Math.floor(middle / 65536) + Math.floor(other / 65536), Math.imul(a, b) >>> 0];
    }

    /** The first normal of a draw of a seed: Philox4x32-10 and Box–Muller, as in alphabar's `noise`. */
    function noise(seed, draw) {
        let c = [0, 0, draw, 0];
        let k = [seed >>> 0, Math.floor(seed / 2 ** 32)];
        for (let round = 0; round < 10; round += 1) {
            const [h0, l0] = product(0xd2511f53, c[0]);
            const [h1, l1] = product(0xcd9e8d57, c[2]);
            c = [(h1 ^ c[1] ^ k[0]) >>> 0, l1, (h0 ^ c[3] ^ k[1]) >>> 0, l0];
            k = [(k[0] + 0x9e3779b9) >>> 0, (k[1] + 0xbb67ae85) >>> 0];
        }
        const top = (low, high) => high * 2 ** 21 + (low >>> 11);
        const u = (top(c[0], c[1]) + 0.5) / 2 ** 53;
        const v = top(c[2], c[3]) / 2 ** 53;
        return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    }

    const roundHalfEven = (x) => {
        const floor = Math.floor(x);
        if (x - floor !== 0.5) return Math.round(x);
        return floor % 2 === 0 ? floor : floor + 1;
    };

    /** DDIM with trailing spacing and the exact denoiser: [t, x_t] from T to 0. */
    function path({ schedule, steps, data, evaluations, eta, seed }) {
        const all = levels(betas(schedule, steps));
        const law = DATA[data];
        const times = Array.from({ length: evaluations }, (_, i) => roundHalfEven(steps - (i * steps) / evaluations));
        let x = noise(seed, 0);
        const points = [[times[0], x]];
        times.forEach((t, i) => {
            const s = i + 1 < times.length ? times[i + 1] : 0;
            const [from, to] = [all[t], all[s]];
            const beta = 1 - from.alphaBar / to.alphaBar;
            const x0 = mean(given(law, Math.sqrt(from.alphaBar), from.noiseVar, x));
            const eps = (x - Math.sqrt(from.alphaBar) * x0) / Math.sqrt(from.noiseVar);
            const std = eta * Math.sqrt((to.noiseVar / from.noiseVar) * beta);
            // 1 − ᾱ_s − σ² without subtracting, which at η = 1 would leave the root of a rounding.
            const alpha = from.alphaBar / to.alphaBar;
            const rest = (to.noiseVar * (alpha * to.noiseVar + (1 - eta * eta) * beta)) / from.noiseVar;
            x = Math.sqrt(to.alphaBar) * x0 + Math.sqrt(rest) * eps;
            if (std > 0) x += std * noise(seed, i + 1);
            points.push([s, x]);
        });
        return points;
    }

    // ---------------------------------------------------------------- the page

    const SVG = "http://www.w3.org/2000/svg";
    const COLOURS = { blue: "#3b82c4", orange: "#d9822b", green: "#3a9a5b", red: "#cc4b4b" };
    const BOX = { left: 46, right: 350, top: 26, bottom: 214, width: 364, height: 250 };

    function element(name, attributes, text) {
        const node = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
        if (text !== undefined) node.textContent = text;
        return node;
    }

    /** Axes with a title; returns the drawing and the two scales. */
    function axes(title, xLabel, [x0, x1], [y0, y1], xTicks, yTicks) {
        const svg = element("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, class: "dial-figure", role: "img" });
        svg.append(element("title", {}, title));
        const x = (v) => BOX.left + ((v - x0) / (x1 - x0)) * (BOX.right - BOX.left);
        const y = (v) => BOX.bottom - ((v - y0) / (y1 - y0)) * (BOX.bottom - BOX.top);
        const label = (px, py, text, anchor, size = 12) =>
            svg.append(element("text", { x: px, y: py, "text-anchor": anchor, "font-size": size, fill: "currentColor" }, text));
        label((BOX.left + BOX.right) / 2, 15, title, "middle", 13);
        label((BOX.left + BOX.right) / 2, BOX.height - 4, xLabel, "middle");
        for (const v of xTicks) {
            svg.append(element("line", { x1: x(v), x2: x(v), y1: BOX.top, y2: BOX.bottom, stroke: "currentColor", opacity: 0.15 }));
            label(x(v), BOX.bottom + 16, String(v), "middle");
        }
        for (const v of yTicks) {
            svg.append(element("line", { x1: BOX.left, x2: BOX.right, y1: y(v), y2: y(v), stroke: "currentColor", opacity: 0.15 }));
            label(BOX.left - 6, y(v) + 4, String(v), "end");
        }
        return { svg, x, y };
    }

    function curve({ svg, x, y }, points, colour, width = 2) {
        const d = points.map(([a, b], k) => `${k ? "L" : "M"}${x(a).toFixed(2)} ${y(b).toFixed(2)}`).join("");
        svg.append(element("path", { d, fill: "none", stroke: colour, "stroke-width": width }));
    }

    function legend({ svg }, entries, left = BOX.left + 8, first = BOX.top + 12) {
        entries.forEach(([text, colour], k) => {
            const top = first + 15 * k;
            svg.append(element("line", { x1: left, x2: left + 18, y1: top, y2: top, stroke: colour, "stroke-width": 3 }));
            svg.append(element("text", { x: left + 24, y: top + 4, "font-size": 11, fill: "currentColor" }, text));
        });
    }

    const grid = (from, to, n) => Array.from({ length: n + 1 }, (_, k) => from + ((to - from) * k) / n);

    function levelsFigure({ schedule, steps, t }) {
        const all = levels(betas(schedule, steps));
        const chart = axes("signal and noise", "t", [0, steps], [0, 1], [0, steps / 2, steps], [0, 0.5, 1]);
        const every = Math.max(1, Math.floor(steps / 200));
        const kept = all.map((level, k) => [k, level]).filter(([k]) => k % every === 0 || k === steps);
        curve(chart, kept.map(([k, l]) => [k, Math.sqrt(l.alphaBar)]), COLOURS.blue);
        curve(chart, kept.map(([k, l]) => [k, Math.sqrt(l.noiseVar)]), COLOURS.orange);
        chart.svg.append(element("line", { x1: chart.x(t), x2: chart.x(t), y1: BOX.top, y2: BOX.bottom, stroke: COLOURS.red, "stroke-width": 2 }));
        legend(chart, [["√ᾱ", COLOURS.blue], ["√(1 − ᾱ)", COLOURS.orange]], BOX.right - 90, (BOX.top + BOX.bottom) / 2);
        return chart.svg;
    }

    function lawsFigure({ schedule, steps, t, data, x0, xt }) {
        const beta = betas(schedule, steps);
        const all = levels(beta);
        const [from, to] = [all[t], all[t - 1]];
        const law = DATA[data];
        const marginal = noised(law, Math.sqrt(from.alphaBar), from.noiseVar);
        const before = noised(law, Math.sqrt(to.alphaBar), to.noiseVar);
        const reverse = given(before, Math.sqrt(1 - beta[t - 1]), beta[t - 1], xt);
        const now = numbers({ schedule, steps, t, data, x0, xt });
        const chart = axes("each law scaled to its peak", "x", [-3.2, 3.2], [0, 1.5], [-3, -2, -1, 0, 1, 2, 3], []);
        const scaled = (f, xs) => {
            const values = xs.map((v) => [v, f(v)]);
            const peak = Math.max(...values.map(([, p]) => p));
            return values.map(([v, p]) => [v, p / peak]);
        };
        const wide = grid(-3.2, 3.2, 320);
        const near = (m, s) => grid(Math.max(-3.2, m - 6 * s), Math.min(3.2, m + 6 * s), 200);
        curve(chart, scaled((v) => density(marginal, v), wide), COLOURS.blue);
        const [rm, rs] = [mean(reverse), Math.sqrt(variance(reverse))];
        curve(chart, scaled((v) => density(reverse, v), near(rm, rs)), COLOURS.green);
        if (now.beta_tilde > 0) {
            const sigma = Math.sqrt(now.beta_tilde);
            curve(chart, scaled((v) => normal(v, now.posterior_mean, now.beta_tilde), near(now.posterior_mean, sigma)), COLOURS.orange);
        }
        const base = chart.y(0);
        chart.svg.append(element("circle", { cx: chart.x(xt), cy: base, r: 4, fill: COLOURS.red }));
        const tip = Math.max(-3.2, Math.min(3.2, xt + 0.4 * now.score));
        chart.svg.append(element("line", { x1: chart.x(xt), x2: chart.x(tip), y1: base, y2: base, stroke: COLOURS.red, "stroke-width": 3 }));
        legend(chart, [["q(xₜ)", COLOURS.blue], ["q(xₜ₋₁ | xₜ)", COLOURS.green], ["q(xₜ₋₁ | xₜ, x₀)", COLOURS.orange], ["xₜ and the score", COLOURS.red]]);
        return chart.svg;
    }

    function pathFigure(setting) {
        const { schedule, steps, data } = setting;
        const all = levels(betas(schedule, steps));
        const chart = axes("a sample's way from T to 0", "t", [steps, 0], [-3.2, 3.2], [steps, steps / 2, 0], [-3, -2, -1, 0, 1, 2, 3]);
        const [columns, rows] = [Math.min(steps, 50), 48];
        const [w, h] = [(BOX.right - BOX.left) / columns, (BOX.bottom - BOX.top) / rows];
        for (let i = 0; i < columns; i += 1) {
            const level = all[Math.round(((i + 0.5) * steps) / columns)];
            const law = noised(DATA[data], Math.sqrt(level.alphaBar), level.noiseVar);
            for (let j = 0; j < rows; j += 1) {
                const v = -3.2 + (6.4 * (j + 0.5)) / rows;
                const opacity = Math.min(1, density(law, v)) * 0.8;
                if (opacity < 0.02) continue;
                chart.svg.append(element("rect", {
                    x: chart.x(((i + 1) * steps) / columns).toFixed(2), y: chart.y(v + 3.2 / rows).toFixed(2),
                    width: (w + 0.3).toFixed(2), height: (h + 0.3).toFixed(2), fill: COLOURS.blue, opacity: opacity.toFixed(3),
                }));
            }
        }
        curve(chart, path(setting), "currentColor");
        return chart.svg;
    }

    const SHOWN = [
        ["beta", "β"], ["alpha_bar", "ᾱ"], ["one_minus_alpha_bar", "1 − ᾱ"], ["snr", "SNR"], ["log_snr", "ln SNR"],
        ["beta_tilde", "posterior variance"], ["on_x0", "posterior mean, factor of x₀"], ["on_xt", "posterior mean, factor of xₜ"],
        ["posterior_mean", "posterior mean"], ["density", "q(xₜ)"], ["score", "score"], ["x0_hat", "E[x₀ | xₜ]"],
        ["x0_var", "Var[x₀ | xₜ]"], ["eps_hat", "E[ε | xₜ]"], ["v_hat", "E[v | xₜ]"],
    ];

    function show(root) {
        const field = (name) => root.querySelector(`[name=${name}]`);
        const number = (name) => Number(field(name).value);
        const steps = number("steps");
        field("t").max = steps;
        field("evaluations").max = Math.min(steps, 100);
        const setting = {
            schedule: field("schedule").value, steps, t: Math.min(number("t"), steps), data: field("data").value,
            x0: number("x0"), xt: number("xt"), evaluations: Math.min(number("evaluations"), steps), eta: number("eta"),
            seed: Math.max(0, Math.floor(number("seed"))),
        };
        for (const output of root.querySelectorAll("output")) output.textContent = field(output.htmlFor.value).value;
        const values = numbers(setting);
        root.querySelector(".dial-numbers").replaceChildren(
            ...SHOWN.map(([name, words]) => {
                const row = document.createElement("tr");
                row.innerHTML = `<th scope="row"></th><td data-name="${name}"></td>`;
                row.firstChild.textContent = words;
                row.lastChild.textContent = String(Number(values[name].toPrecision(6)));
                return row;
            }),
        );
        root.querySelector(".dial-figures").replaceChildren(levelsFigure(setting), lawsFigure(setting), pathFigure(setting));
        const last = path(setting).at(-1)[1];
        root.querySelector(".dial-sample").textContent = String(Number(last.toPrecision(6)));
    }

    function start() {
        const root = document.getElementById("dials");
        if (!root) return;
        // A dial's keys are its own, not the book's for turning pages.
        root.addEventListener("keydown", (event) => event.stopPropagation());
        root.addEventListener("input", () => show(root));
        show(root);
    }

    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
    return { betas, levels, numbers, noise, path };
})();
