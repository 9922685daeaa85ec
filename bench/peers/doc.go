// Package peers measures Basalt beside llama.cpp, or its fork ik_llama.cpp, on the same machine,
// files, threads and prompts.
//
// rows.go is the table of what is measured and the metrics of each row. job.go joins rows that one
// process measures. basalt.go, llama.go and fork.go know the programs' command lines and outputs;
// compare.go runs the jobs in turn, A B A B ..., and hands out samples;
// quiet.go tells how much of the machine others used meanwhile. record.go keeps samples as lines of
// JSON, so that a table may grow over several runs; table.go prints medians, spreads and ratios.
//
// A ratio is taken within a round, of two runs that follow each other, before the median: what the
// machine's neighbours do in one minute then touches both sides.
package peers
