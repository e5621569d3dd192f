package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events/seal"
)

func TestMasterKeyIsMadeOnce(t *testing.T) {
	c := &logSettings{Data: t.TempDir()}
	var first seal.Master
	for start := range 2 {
		if err := makeMaster(c); err != nil {
			t.Fatal(err)
		}
		got, err := loadMaster(c)
		if err != nil {
			t.Fatal(err)
		}
		if start == 0 {
			first = got
		} else if got.Encode() != first.Encode() {
			t.Error("a second start changed the master key")
		}
	}
	info, err := os.Stat(filepath.Join(c.Data, "master.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	left, err := os.ReadDir(c.Data)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestMasterKeyIsNotMadeBesideAnother(t *testing.T) {
	for name, c := range map[string]*logSettings{
		"given": {Data: t.TempDir(), MasterKey: masterKey{given: true}},
		"named": {Data: t.TempDir(), MasterKeyFile: "elsewhere"},
	} {
		if err := makeMaster(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(c.ownKeyFile()); err == nil {
			t.Errorf("%s: a master key was made", name)
		}
	}
}

func TestMasterKeyIsNotMadeForALogThatHasOne(t *testing.T) {
	c := &logSettings{Data: t.TempDir()}
	if err := os.Mkdir(storeDir(c.Data), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeMaster(c); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("got %v", err)
	}
}

func TestExternalLogNeedsAMasterKey(t *testing.T) {
	c := &logSettings{Data: t.TempDir(), NATS: natsURLs{"nats://127.0.0.1:1"}}
	if err := makeMaster(c); err == nil || !strings.Contains(err.Error(), "GRANTLOG_MASTER_KEY") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(c.ownKeyFile(), []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeMaster(c); err != nil {
		t.Errorf("a key file is there: %v", err)
	}
}

func TestMasterKeyFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		mode    os.FileMode
		own     string // error as master.key of the data directory
		named   string // error as --master-key-file
	}{
		"good":           {testKey + "\n", 0o600, "", ""},
		"read-only":      {testKey, 0o400, "", ""},
		"group-readable": {testKey, 0o640, "(mode 0640): chmod 600 it", ""},
		"world-readable": {testKey, 0o644, "(mode 0644): chmod 600 it", ""},
		"empty":          {"", 0o600, "want 32 bytes in base64", "want 32 bytes in base64"},
		"short":          {"c2hvcnQ=", 0o600, "want 32 bytes in base64", "want 32 bytes in base64"},
		"large":          {strings.Repeat(testKey, 200), 0o600, "want 32 bytes in base64", "want 32 bytes in base64"},
		"absent":         {"", 0, "no such file", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			file := filepath.Join(data, "master.key")
			if tc.mode != 0 {
				if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(file, tc.mode); err != nil {
					t.Fatal(err)
				}
			}
			for want, c := range map[*string]*logSettings{
				&tc.own: {Data: data}, &tc.named: {Data: "elsewhere", MasterKeyFile: file},
			} {
				got, err := loadMaster(c)
				switch {
				case *want == "" && (err != nil || got.Encode() != testKey):
					t.Errorf("%v: %v", c, err)
				case *want != "" && (err == nil || !strings.Contains(err.Error(), *want)):
					t.Errorf("got %v, want %s", err, *want)
				}
				if err != nil && tc.content != "" && strings.Contains(err.Error(), strings.TrimSpace(tc.content)) {
					t.Errorf("the error shows the key: %v", err)
				}
			}
		})
	}
}
