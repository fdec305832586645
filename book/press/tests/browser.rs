//! The rendered book in a real browser: nothing overflows, colours can be read, search finds, the dials tell the truth.
//!
//! Wants the book rendered (`cargo run -p alphabar-book`), `chromedriver` and Chromium; hence ignored by default:
//! `cargo test -p alphabar-book --test browser -- --ignored`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alphabar::exact::{Gaussian1, Mixture1, Noising};
use alphabar::noise::Stream;
use alphabar::plan::{Clip, ClippedEpsilon, Ddim, End, Previous, Route, Spacing};
use alphabar::posterior::Posterior;
use alphabar::prediction::Prediction;
use alphabar::sample::{Executor, from_fn};
use alphabar::{Betas, Schedule, Timestep};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use ndarray::Ix2;
use serde_json::{Value, json};

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

/// A browser without a window, closed when dropped.
struct Browser {
    driver: Child,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Tried<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("chromedriver does not start ({error}); Debian has it as chromium-driver"))?;
        let profile = tempfile::tempdir()?;
        let arguments = [
            "--headless=new".to_string(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--no-first-run".into(),
            "--allow-file-access-from-files".into(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let Value::Object(capabilities) = json!({"goog:chromeOptions": {"args": arguments}}) else { unreachable!() };
        let address = format!("http://127.0.0.1:{port}");
        for _ in 0..100 {
            let tried =
                ClientBuilder::new(HttpConnector::new()).capabilities(capabilities.clone()).connect(&address).await;
            match tried {
                Ok(client) => return Ok(Self { driver, client, _profile: profile }),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Err("chromedriver gives no session".into())
    }

    async fn open(&self, page: &Path) -> Tried<()> {
        self.client.goto(&format!("file://{}", page.canonicalize()?.display())).await?;
        // Text is laid out again when its font arrives.
        self.client.execute_async("document.fonts.ready.then(() => arguments[0]())", vec![]).await?;
        Ok(())
    }

    async fn run(&self, script: &str, arguments: Vec<Value>) -> Tried<Value> {
        Ok(self.client.execute(script, arguments).await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where the press puts the book.
fn book() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let target = exe.ancestors().nth(3).expect("tests run from target/PROFILE/deps").join("book");
    assert!(target.join("index.html").exists(), "no book in {}: run cargo run -p alphabar-book", target.display());
    target
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the book can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|e| e == "html")
            && !path.ends_with("toc.html")
            && !path.ends_with("404.html")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What reaches beyond the window's right edge without a scroll bar of its own.
const OVERFLOW: &str = r"
    document.querySelectorAll('details').forEach((d) => { d.open = true; });
    const width = document.documentElement.clientWidth;
    const wide = [];
    if (document.documentElement.scrollWidth > width + 1) wide.push('the page is ' + document.documentElement.scrollWidth + ' wide');
    for (const e of document.querySelectorAll('main math, main table, main svg, main pre, main p, main li, main h1, main h2, main h3')) {
        const box = e.getBoundingClientRect();
        if (box.width === 0 || box.right <= width + 1) continue;
        let up = e;
        while (up && up !== document.body && !['auto', 'scroll'].includes(getComputedStyle(up).overflowX)) up = up.parentElement;
        if (!up || up === document.body) wide.push(e.tagName + ': ' + e.textContent.trim().slice(0, 80));
    }
    return [width, wide];
";

/// Contrast of the text with its ground, and of every figure's ink, after choosing a theme.
const CONTRAST: &str = r"
    const html = document.documentElement;
    html.classList.remove('light', 'navy', 'coal', 'rust', 'ayu');
    html.classList.add(arguments[0]);
    const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const light = (rgb) => { const [r, g, b] = rgb.match(/[\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
    const ground = light(getComputedStyle(html).backgroundColor);
    const ratio = (e) => { const ink = light(getComputedStyle(e).color); return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); };
    return [...document.querySelectorAll('main p, main math, main svg.figure, main td')].map(ratio).reduce((a, b) => Math.min(a, b), 21);
";

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn pages_fit_wide_and_narrow_windows_and_can_be_read_in_light_and_dark() -> Tried<()> {
    let browser = Browser::start().await?;
    let mut wrong = Vec::new();
    for page in pages(&book()) {
        for (width, height) in [(1280, 900), (500, 900)] {
            browser.client.set_window_size(width, height).await?;
            browser.open(&page).await?;
            let found = browser.run(OVERFLOW, vec![]).await?;
            if found[1].as_array().is_none_or(|wide| !wide.is_empty()) {
                wrong.push(format!("{}: in a window {} wide: {}", page.display(), found[0], found[1]));
            }
        }
        for theme in ["light", "navy"] {
            let ratio = browser.run(CONTRAST, vec![json!(theme)]).await?.as_f64().unwrap_or(0.0);
            if ratio < 4.5 {
                wrong.push(format!("{}: contrast {ratio:.1} in theme {theme}", page.display()));
            }
        }
        let loaded =
            browser.run("return performance.getEntriesByType('resource').map((e) => e.name)", vec![]).await?;
        for name in loaded.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !name.starts_with("file://") && !name.starts_with("data:") {
                wrong.push(format!("{}: loads {name}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn indices_are_smaller_and_lower_than_what_they_belong_to() -> Tried<()> {
    let browser = Browser::start().await?;
    browser.open(&book().join("posterior.html")).await?;
    let script = r"
        const font = [...document.fonts].find((f) => f.family.includes('New Computer Modern Math'));
        const indexed = [...document.querySelectorAll('main msub')].find((e) => e.textContent === 'xt');
        const [base, index] = [...indexed.children].map((e) => [e.getBoundingClientRect(), getComputedStyle(e)]);
        return [font?.status, parseFloat(index[1].fontSize) / parseFloat(base[1].fontSize), (index[0].bottom - base[0].bottom) / base[0].height];
    ";
    let found = browser.run(script, vec![]).await?;
    assert_eq!(found[0], "loaded", "{found}");
    assert!(found[1].as_f64().is_some_and(|size| size < 0.8), "{found}");
    assert!(found[2].as_f64().is_some_and(|drop| drop > 0.1), "{found}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn search_finds_a_word() -> Tried<()> {
    let browser = Browser::start().await?;
    browser.client.set_window_size(1280, 900).await?;
    browser.open(&book().join("index.html")).await?;
    browser.client.find(Locator::Css("#mdbook-search-toggle")).await?.click().await?;
    let bar =
        browser.client.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css("#mdbook-searchbar")).await?;
    bar.send_keys("posterior").await?;
    let result = Locator::Css("#mdbook-searchresults a");
    let found = browser.client.wait().at_most(Duration::from_secs(20)).for_element(result).await?;
    assert!(found.text().await?.to_lowercase().contains("posterior"));
    Ok(())
}

/// Schedules of the page, by name.
fn schedule(name: &str, steps: usize) -> Schedule {
    let betas = match name {
        "linear" => Betas::linear(steps, 1e-4, 0.02),
        "scaled_linear" => Betas::scaled_linear(steps, 0.000_85, 0.012),
        "sigmoid" => Betas::sigmoid(steps, 1e-4, 0.02),
        "cosine" => Betas::cosine(steps),
        _ => Betas::jsd(steps),
    };
    Schedule::new(betas.expect("the page's schedules are valid"))
}

const SCHEDULES: [&str; 5] = ["linear", "scaled_linear", "sigmoid", "cosine", "jsd"];

fn law(data: &str) -> Mixture1 {
    let gaussian = || Mixture1::new(&[(1.0, Gaussian1::new(0.4, 0.49).expect("valid"))]).expect("valid");
    if data == "mixture" { Mixture1::reference() } else { gaussian() }
}

fn close(name: &str, got: f64, want: f64, rel: f64, abs: f64) -> Tried<()> {
    // JSON has no infinity: ln 0 comes as null.
    if got.is_nan() && want.is_infinite() || (got - want).abs() <= rel * want.abs() + abs {
        return Ok(());
    }
    Err(format!("{name}: the page has {got:e}, the library {want:e}").into())
}

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn the_dials_numbers_are_the_librarys() -> Tried<()> {
    let browser = Browser::start().await?;
    browser.open(&book().join("dials.html")).await?;
    let mut tried = 0;
    for name in SCHEDULES {
        for steps in [10, 100, 1000] {
            let schedule = schedule(name, steps);
            for t in [1, 2, steps / 2, steps - 1, steps] {
                for (data, x0, xt) in [("mixture", 1.0, 0.1), ("gaussian", -0.6, 1.35), ("mixture", -2.0, -2.85)] {
                    let setting = json!({"schedule": name, "steps": steps, "t": t, "data": data, "x0": x0, "xt": xt});
                    let page = browser.run("return dials.numbers(arguments[0])", vec![setting]).await?;
                    let step = schedule.step(Timestep::new(t));
                    let (level, posterior) = (step.t(), Posterior::new(&step));
                    let noising = Noising::new(level.signal(), level.one_minus_alpha_bar())?;
                    let (data, marginal) = (law(data), law(data).noised(noising));
                    let want = [
                        ("beta", step.beta()),
                        ("alpha_bar", level.alpha_bar()),
                        ("one_minus_alpha_bar", level.one_minus_alpha_bar()),
                        ("snr", level.snr()),
                        ("log_snr", level.log_snr()),
                        ("beta_tilde", posterior.beta_tilde),
                        ("on_x0", posterior.x0),
                        ("on_xt", posterior.xt),
                        ("posterior_mean", posterior.at(x0, xt).mean),
                        ("density", marginal.pdf(xt)),
                        ("score", marginal.score(xt)),
                        ("x0_hat", data.x0_hat(noising, xt)),
                        ("x0_var", data.x0_var(noising, xt)),
                        ("eps_hat", data.eps_hat(noising, xt)),
                        ("v_hat", data.v_hat(noising, xt)),
                    ];
                    for (name, want) in want {
                        let place = format!("{} T = {steps} t = {t} {name}", schedule.len());
                        // cos² by subtraction loses digits in the page's cosine βs: 1 − f(t)/f(t−1) near 4·10⁻⁵.
                        let rel =
                            if schedule.betas() == self::schedule("cosine", steps).betas() { 1e-10 } else { 1e-11 };
                        close(&place, page[name].as_f64().unwrap_or(f64::NAN), want, rel, 1e-11)?;
                        tried += 1;
                    }
                }
            }
        }
    }
    assert_eq!(tried, 5 * 3 * 5 * 3 * 15);
    Ok(())
}

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn the_dials_trajectories_are_the_plans() -> Tried<()> {
    let browser = Browser::start().await?;
    browser.open(&book().join("dials.html")).await?;
    for (name, steps, data, evaluations, eta, seed) in [
        ("linear", 1000, "mixture", 50, 0.0, 0),
        ("linear", 1000, "gaussian", 7, 1.0, 7),
        ("cosine", 1000, "mixture", 20, 0.5, 123_456),
        ("jsd", 10, "mixture", 10, 1.0, 3),
        ("scaled_linear", 100, "gaussian", 100, 0.3, 99),
    ] {
        let setting = json!({"schedule": name, "steps": steps, "data": data, "evaluations": evaluations, "eta": eta, "seed": seed});
        let page = browser.run("return dials.path(arguments[0])", vec![setting]).await?;
        let schedule = schedule(name, steps);
        let times = Spacing::Trailing.model_timesteps(steps, evaluations)?;
        let route = Route::new(&schedule, &times, Previous::List, End::Data)?;
        let ddim =
            Ddim { prediction: Prediction::X0, clip: Clip::None, clipped_epsilon: ClippedEpsilon::AsPredicted, eta };
        let plan = ddim.plan(&route)?;
        let law = law(data);
        let mut denoiser = from_fn(|x: ndarray::ArrayView2<'_, f64>, t: f64| {
            let level = schedule.level(Timestep::new(t as usize + 1));
            let noising = Noising::new(level.signal(), level.one_minus_alpha_bar()).expect("levels are channels");
            x.mapv(|x| law.x0_hat(noising, x))
        });
        let executor = Executor::new(&plan, &[seed]);
        let start = executor.initial::<f64, Ix2>(Ix2(1, 1))?;
        let mut want = vec![start[(0, 0)]];
        executor.run_observed(start, &mut denoiser, |_, x, _| want.push(x[(0, 0)]))?;
        let got: Vec<f64> = page.as_array().into_iter().flatten().filter_map(|p| p[1].as_f64()).collect();
        assert_eq!(got.len(), want.len());
        for (k, (got, want)) in got.iter().zip(&want).enumerate() {
            close(&format!("{name}, T = {steps}, η = {eta}, point {k}"), *got, *want, 1e-9, 1e-9)?;
        }
    }
    for (seed, draw) in [(0u64, 0u32), (7, 3), (999_999, 41)] {
        let got =
            browser.run("return dials.noise(arguments[0], arguments[1])", vec![json!(seed), json!(draw)]).await?;
        close("noise", got.as_f64().unwrap_or(f64::NAN), Stream::new(seed).pair(draw, 0)[0], 1e-12, 1e-14)?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs the rendered book, chromedriver and Chromium"]
async fn turning_a_dial_changes_what_is_shown() -> Tried<()> {
    let browser = Browser::start().await?;
    browser.open(&book().join("dials.html")).await?;
    let turn = "
        const e = document.querySelector(`#dials [name=${arguments[0]}]`);
        e.value = arguments[1];
        e.dispatchEvent(new Event('input', { bubbles: true }));
    ";
    browser.run(turn, vec![json!("t"), json!("500")]).await?;
    let shown = browser.client.find(Locator::Css("td[data-name=alpha_bar]")).await?.text().await?;
    let want = Schedule::ddpm().level(Timestep::new(500)).alpha_bar();
    close("ᾱ as shown", shown.parse()?, want, 1e-5, 0.0)?;
    let before = browser.client.find(Locator::Css(".dial-sample")).await?.text().await?;
    browser.run(turn, vec![json!("seed"), json!("5")]).await?;
    let after = browser.client.find(Locator::Css(".dial-sample")).await?.text().await?;
    assert_ne!(before, after);
    let figures = browser.client.find_all(Locator::Css(".dial-figures svg")).await?;
    assert_eq!(figures.len(), 3);
    Ok(())
}
