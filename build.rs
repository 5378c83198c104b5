//! Tells napi how the platform links an addon.

fn main() {
    napi_build::setup();
}
