// Package golden compares executables with the outputs of the published models' own code.
//
// A folder of testdata/ holds a checkpoint and golden.json with prompts, 200 greedy ids for each
// and the reference's margins, and logits.f32 with some full rows of logits (testdata/README.md).
// Check feeds prompt and ids (teacher forcing), compares the stored rows by relative norm and the
// most likely id at every position. An id may differ only where the reference's margin is within
// the format's error, 4 x bound x the standard deviation of the logits, or where two experts of a
// mixture tie within it; such positions are counted as excused.
package golden
