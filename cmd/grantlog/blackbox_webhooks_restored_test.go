package main_test

import (
	"slices"
	"testing"
)

// Contract section 6, docs/backup.md: a receiver hears of a restoration, and of
// what ends after it, in the order of the restored log. Positions that are given
// a second time do not look to it like endings that it has acknowledged.
func TestWebhookAfterARestoration(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	rx := newReceiver(t, s, s.issuer(), "receiver")
	made := s.subscribe(admin, rx)
	app := s.create(admin, settings{"scopes": []string{"a"}})
	s.revokeOne(app)
	s.revokeOne(app)
	s.eventually("both are acknowledged", func() bool { return s.webhook(admin, made.ID).Lag == 0 })
	file := s.backup()
	for range 3 {
		s.revokeOne(app)
	}
	s.eventually("what the backup lacks is pushed, too", func() bool { return len(rx.told()) == 5 })
	want := s.ended(admin)
	s.stop()

	again := s.restored(file)
	again.start()
	again.revokeOne(app)
	again.revokeOne(app)
	admin = again.admin()
	again.eventually("everything is acknowledged", func() bool {
		return len(rx.told()) == 8 && again.webhook(admin, made.ID).Lag == 0
	})
	after := again.ended(admin)
	if len(after) != 5 || after[2]["reason"] != "log_restored" || after[2]["position"].(float64) > want[4]["position"].(float64) {
		t.Errorf("the log that was lost told of %v, the restored one of %v", want, after)
	}
	same(t, rx, slices.Concat(want, after[2:]))
}
