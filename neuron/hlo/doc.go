// Package hlo writes and reads XLA's HloModuleProto, the format that neuronx-cc compiles, without a
// protobuf library. module.go has the types, shape.go the shapes; builder.go and its siblings
// record a computation and infer shapes (infer.go); verify.go proves a module consistent: shapes,
// names, operands, aliases, sizes. encode.go writes bytes that depend on the module alone,
// decode.go reads them back and refuses what it does not know. Field numbers are those of
// xla/service/hlo.proto and xla/xla_data.proto (OpenXLA); the contract of names and aliases is the
// one that AWS's nkipy keeps with the compiler: frontend attributes neff_input_names and
// neff_output_names, and parameters called NAME.must_alias_input whose output NAME lies in the same
// memory.
package hlo
