package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// Section 8: what a leaked secret led to is ended by the command that found it,
// when whoever runs it says so.
func TestImpactIsEnded(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app, bystander := s.create(admin), s.create(admin)
	tokens := []string{s.token(app), s.token(app), s.token(app)}
	other := s.token(bystander)
	s.form("/oauth/revoke", []string{"token", tokens[2]}, basic(app)).ok()
	args := []string{"replay", "--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json"), "--impact", "secret:" + app.ID, "--revoke"}

	unasked := run(t, nil, args...)
	if unasked.code != 2 || unasked.stdout != "" || !strings.Contains(unasked.stderr, "2 live tokens would be ended: say so with --yes") {
		t.Errorf("%d\n%s%s", unasked.code, unasked.stdout, unasked.stderr)
	}
	if !s.introspect(app, tokens[0]).Active {
		t.Error("a token ended without consent")
	}
	for _, want := range []struct{ live, revoked, ended int }{{2, 1, 2}, {0, 3, 0}} {
		r := run(t, nil, append(args, "--yes")...)
		var got struct{ Issued, Live, Revoked, Ended int }
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 0 || r.stderr != "" {
			t.Fatalf("%d %v\n%s%s", r.code, err, r.stdout, r.stderr)
		}
		if got.Issued != 3 || got.Live != want.live || got.Revoked != want.revoked || got.Ended != want.ended {
			t.Errorf("%+v, want %+v", got, want)
		}
		for _, token := range tokens {
			if s.introspect(app, token).Active {
				t.Error("a token goes on")
			}
		}
	}
	if !s.introspect(bystander, other).Active {
		t.Error("another application's token ended")
	}
	// What the command itself asks with is among the tokens of its application,
	// and ends last.
	for range 40 {
		s.admin()
	}
	own := run(t, nil, append(args[:5:5], "--impact", "application:"+s.introspect(s.administrator(), admin).ClientID, "--revoke", "--yes")...)
	var all struct{ Live, Ended int }
	if err := json.Unmarshal([]byte(own.stdout), &all); err != nil || own.code != 0 || all.Live < 41 || all.Ended != all.Live {
		t.Errorf("%d %v %+v\n%s", own.code, err, all, own.stderr)
	}
	if key := run(t, nil, append(args[:5:5], "--impact", "key:nowhere", "--revoke", "--yes")...); key.code != 3 {
		t.Errorf("of an unknown key: %d %s", key.code, key.stderr)
	}
}
