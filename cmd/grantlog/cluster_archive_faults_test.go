package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// archiving archives the log under load, now and then while a member is down;
// or it is killed on the way, perhaps with all members, and completed after.
// What clients were told is looked for in the log and its archives.
func archiving(f *faults, c *cluster, l *load) {
	l.more()
	before := int(c.settled())
	l.more()
	if f.rand.IntN(2) == 0 {
		down := l.members[f.rand.IntN(len(l.members))]
		down.kill()
		c.archives = append(c.archives, c.archive(c.setting(), before))
		down.launch()
	} else {
		f.archivingIsKilled(c, before)
	}
	c.recovered()
	l.more()
}

func (f *faults) archivingIsKilled(c *cluster, before int) {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), fmt.Sprint("archive-", before))
	cmd := exec.Command(grantlog(f.t), "archive", c.key, "--before", fmt.Sprint(before), "--out", file)
	cmd.Env = append(cleanEnv(), c.setting()...)
	cmd.Env = append(cmd.Env, "TMPDIR="+f.t.TempDir()) // what a kill leaves there
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	<-f.between(0, 3*time.Second)
	cmd.Process.Kill()
	cmd.Wait() // it was killed, or has come to its end
	if f.rand.IntN(2) == 0 {
		for _, s := range c.members {
			s.kill()
		}
		for _, i := range f.rand.Perm(len(c.members)) {
			c.members[i].launch()
		}
	}
	c.members[0].within(recovery, "what was broken off is completed", func() bool {
		r := run(f.t, c.setting(), "archive", "--finish", c.key)
		if r.code != 0 {
			f.t.Logf("finish: %d\n%s", r.code, r.stderr)
		}
		return r.code == 0 || strings.Contains(r.stderr, "nothing was broken off")
	})
	if strings.HasPrefix(c.asked("verify"), fmt.Sprintf("first     %d;", before-1)) {
		c.archives = append(c.archives, file)
	}
}

// withArchives adds to a command what was archived.
func (c *cluster) withArchives(command ...string) []string {
	for _, file := range c.archives {
		command = append(command, "--archive", file)
	}
	return command
}
