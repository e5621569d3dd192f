package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd is "grantlog version".
type versionCmd struct{}

func (*versionCmd) Run(p process) error {
	_, err := fmt.Fprintf(p.Stdout, "grantlog %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version returns the module's version, or the commit of a build from a clone.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
