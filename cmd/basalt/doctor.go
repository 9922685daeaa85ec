package main

import (
	"fmt"
	"os"
	goruntime "runtime"
	"strings"

	"basalt/cpu"
	"basalt/cuda"
)

// Run says what this machine has and what to do.
func (doctorCmd) Run() error {
	fmt.Printf("basalt %s, %s/%s\n\n", version, goruntime.GOOS, goruntime.GOARCH)
	dev, err := cpu.New(cpu.Config{})
	if err != nil {
		return err
	}
	info := dev.Info()
	fmt.Printf("cpu device    ready: %s, %d threads, %s\n", info.Name, info.Threads,
		strings.Join(info.Features, " "))
	if err := dev.Close(); err != nil {
		return err
	}
	fmt.Printf("memory        %s, %s free\n", formatBytes(info.Memory),
		formatBytes(freeMemory(info.Memory)))
	reportHugePages()
	if err := cuda.Diagnose(os.Stdout, cudaConfig(0)); err != nil {
		return err
	}
	if err := diagnoseNeuron(os.Stdout); err != nil {
		return err
	}
	fmt.Println("measuring ... (other programs on this machine disturb this)")
	c, err := cpu.MeasureCeilings(info.Threads)
	if err != nil {
		return err
	}
	fmt.Printf("read          %.1f GB/s: one sequence of a model of N GB decodes at most "+
		"%.0f/N tokens/s\n",
		c.ReadGBs, c.ReadGBs)
	fmt.Printf("float32       %.0f GFLOP/s\n", c.FMAGFLOPs)
	fmt.Printf("int8 dot      %.0f GOP/s\n", c.Int8GOPs)
	if c.BF16GFLOPs > 0 {
		fmt.Printf("bf16 dot      %.0f GFLOP/s\n", c.BF16GFLOPs)
	} else {
		fmt.Println("bf16 dot      none: BF16 weights are widened to float32")
	}
	return nil
}

func reportHugePages() {
	data, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return
	}
	text := strings.TrimSpace(string(data))
	fmt.Printf("huge pages    %s", text)
	if strings.Contains(text, "[never]") {
		fmt.Print("; to speed decoding up: echo madvise > " +
			"/sys/kernel/mm/transparent_hugepage/enabled")
	}
	fmt.Println()
}
