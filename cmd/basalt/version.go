package main

import (
	"fmt"
	goruntime "runtime"
)

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Printf("basalt %s (%s, %s/%s)\n", version, goruntime.Version(), goruntime.GOOS,
		goruntime.GOARCH)
	return nil
}
