//! The examples run to their end. They are compiled into this test, so that nothing is built twice.

mod embed {
    include!("../examples/embed.rs");

    #[test]
    fn runs_to_its_end() {
        main().unwrap();
    }
}

#[cfg(feature = "rmcp")]
mod rmcp_cart {
    include!("../examples/rmcp_cart.rs");

    #[test]
    fn runs_to_its_end() {
        main().unwrap();
    }
}
