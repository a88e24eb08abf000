//! Generated bindings of the packages that the SDK brings, as they stand in WIT. The modules beside
//! this one are more pleasant; these are complete.

aether_slice_macros::sdk_bindings!();
