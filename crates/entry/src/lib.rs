//! `#[entry]`: an entry of the door. It is napi's `#[napi]`, and a panic inside becomes a JavaScript error with a code.
//!
//! ```ignore
//! #[entry]
//! pub fn answer(handle: u32) -> Option<f64> { .. }
//! ```
//!
//! becomes
//!
//! ```ignore
//! #[::napi_derive::napi(catch_unwind)]
//! pub fn answer(handle: u32) -> crate::fault::Result<Option<f64>> {
//!     crate::fault::guard(move || -> Option<f64> { .. })
//! }
//! ```
//!
//! napi's own `catch_unwind` stands around what it does itself, the conversion of arguments and results; it knows no code.
//! A function that returns a `Result` keeps its type. Arguments of `#[entry(..)]` are napi's.

use std::str::FromStr;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// See the crate.
#[proc_macro_attribute]
pub fn entry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut head: Vec<TokenTree> = item.into_iter().collect();
    let body = match head.pop() {
        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => body,
        _ => return tokens("compile_error!(\"#[entry] stands on functions\");"),
    };
    // What follows the parameters is the type of the result, or nothing.
    let is_function = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn");
    let parameters = head.iter().position(is_function).and_then(|function| {
        head[function..].iter().position(is_parenthesis).map(|parameters| function + parameters)
    });
    let Some(parameters) = parameters else {
        return tokens("compile_error!(\"#[entry] stands on functions\");");
    };
    let output: TokenStream = head.drain(parameters + 1..).skip(2).collect();
    let is_result = matches!(output.clone().into_iter().next(), Some(TokenTree::Ident(name)) if name.to_string() == "Result");
    let output = if output.is_empty() { tokens("()") } else { output };

    let mut call = tokens("move || ->");
    call.extend(output.clone());
    call.extend([TokenTree::Group(body)]);
    let mut inside = tokens(if is_result { "crate::fault::guard_result" } else { "crate::fault::guard" });
    inside.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, call))]);

    let mut napi = tokens("catch_unwind,");
    napi.extend(arguments);
    let mut attribute = tokens("::napi_derive::napi");
    attribute.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, napi))]);

    let mut out = tokens("#");
    out.extend([TokenTree::Group(Group::new(Delimiter::Bracket, attribute))]);
    out.extend(head);
    out.extend(tokens("->"));
    if is_result {
        out.extend(output);
    } else {
        out.extend(tokens("crate::fault::Result<"));
        out.extend(output);
        out.extend(tokens(">"));
    }
    out.extend([TokenTree::Group(Group::new(Delimiter::Brace, inside))]);
    out
}

fn is_parenthesis(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

fn tokens(text: &str) -> TokenStream {
    TokenStream::from_str(text).expect("the text is Rust")
}
