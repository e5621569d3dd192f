package main

import (
	"os"

	"github.com/grantlog/grantlog/handlers/password"
)

// hashPasswordsCmd is a worker that serve starts to hash passwords; see package
// password. It ends when serve does: signals to the group of both are for serve.
type hashPasswordsCmd struct{}

func (c *hashPasswordsCmd) Run(p process) error { return password.Work(p.Stdin, p.Stdout) }

// hashWorker is the command that starts such a worker: this program as it
// runs, also when its file was replaced meanwhile.
func hashWorker() []string {
	const self = "/proc/self/exe" // Linux
	path, err := os.Executable()
	if _, there := os.Stat(self); there == nil {
		path, err = self, nil
	}
	if err != nil {
		return nil
	}
	return []string{path, "hash-passwords"}
}
