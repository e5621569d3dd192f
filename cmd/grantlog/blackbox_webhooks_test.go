package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// subscribeAcme has the revocations of acme pushed to a new receiver on
// loopback, which is the operator's to allow.
func (s *server) subscribeAcme(more settings) (*receiver, webhook) {
	s.t.Helper()
	rx := newReceiver(s.t, s, s.issuer(), "https://receiver.example")
	body := settings{"url": rx.URL, "audience": "https://receiver.example", "authorization": webhookSecret, "private": true}
	for name, value := range more {
		body[name] = value
	}
	made := s.json(http.MethodPost, webhooksPath+"?organization=acme", body, bearer(s.admin())).want(http.StatusCreated)
	w := as[webhook](made)
	made.has("Location", webhooksPath+"/"+w.ID)
	if w.Status != "active" || w.Organization != "acme" || !w.HasAuthorization || w.URL != rx.URL || w.Audience != "https://receiver.example" {
		s.t.Errorf("made %+v", w)
	}
	return rx, w
}

// revokeOne ends a token of an application.
func (s *server) revokeOne(app application) {
	s.t.Helper()
	s.form("/oauth/revoke", []string{"token", s.token(app)}, basic(app)).ok()
}

// Contract section 6: each ending of the organization is pushed, signed and in
// order, until it is acknowledged: across failures of the receiver and restarts
// of the server, and nothing of another organization.
func TestWebhook(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	acme, globex := s.tenant("acme"), s.tenant("globex")
	app, other := s.create(acme), s.create(globex)
	s.revokeOne(app) // before the webhook, which begins now
	rx, made := s.subscribeAcme(nil)
	before, then := s.ended(acme), s.shows()
	s.revokeOne(app)
	s.revokeOne(other)
	app.ClientSecret = as[application](s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 60}, bearer(acme)).ok()).ClientSecret
	s.eventually("both are there", func() bool { return len(rx.told()) == 2 })

	for _, mode := range []string{"down", "400", "redirect", "endless"} {
		rx.set(mode)
		n := len(rx.seen())
		s.revokeOne(app)
		s.eventually(mode+" is no acknowledgment", func() bool {
			w := s.webhook(acme, made.ID)
			return len(rx.seen()) > n && w.Status == "failing" && w.Attempts > 0 && w.LastError != "" && w.Lag > 0
		})
		rx.set("")
		s.eventually("it is tried again", func() bool { w := s.webhook(acme, made.ID); return w.Status == "active" && w.Lag == 0 })
	}

	rx.set("hang")
	n := len(rx.seen())
	s.revokeOne(app)
	s.eventually("the receiver hangs", func() bool { return len(rx.seen()) > n })
	s.json(http.MethodDelete, app.path(), nil, bearer(acme)).want(http.StatusNoContent)
	rx.set("")
	s.restart()
	acme = s.tenant("acme")
	s.eventually("everything is acknowledged", func() bool { return s.webhook(acme, made.ID).Lag == 0 })
	same(t, rx, s.ended(acme)[len(before):])
	if w := s.webhook(acme, made.ID); w.Acknowledged < 8 || w.Status != "active" {
		t.Errorf("at the end: %+v", w)
	}

	// It can be had as it was, and what is secret is nowhere.
	if was := as[webhook](s.get(webhooksPath+"/"+made.ID+"?as_of="+fmt.Sprint(then), bearer(acme)).ok()); was.Acknowledged != 0 {
		t.Errorf("at first: %+v", was)
	}
	audit := string(s.get("/oauth/events?limit=200&type=webhook.created,webhook.failed,webhook.advanced", bearer(acme)).ok().body)
	if !strings.Contains(audit, `"webhook.created"`) || !strings.Contains(audit, `"webhook.failed"`) || strings.Contains(audit, `"authorization"`) {
		t.Errorf("the audit list: %s", audit)
	}
	lookFor(t, s.data, "the receiver's secret", []byte("canary-webhook-secret"))
	for _, secret := range []string{"canary-webhook-secret", "canary-description"} {
		if strings.Contains(s.out.String()+audit, secret) {
			t.Errorf("%s is in the output", secret)
		}
	}

	// Deleted, it gets nothing more.
	s.do(http.MethodDelete, webhooksPath+"/"+made.ID, "", "", bearer(acme)).want(http.StatusNoContent)
	s.get(webhooksPath+"/"+made.ID, bearer(acme)).want(http.StatusNotFound)
	told := len(rx.seen())
	app = s.create(acme)
	next, w := s.subscribeAcme(nil)
	s.revokeOne(app)
	s.eventually("another one is told", func() bool { return s.webhook(acme, w.ID).Lag == 0 && len(next.seen()) == 1 })
	if n := len(rx.seen()); n != told {
		t.Errorf("%d pushes to a deleted webhook", n-told)
	}
}

// A receiver that fails for too long, or refuses for good, is left alone until
// its webhook is resumed: from where it stopped, or from any position.
func TestWebhookDiesAndIsResumed(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", tenantSeed), "--webhook-give-up", "1s", "--metrics-listen", metrics)
	s.env = []string{"MANAGER_SECRET=" + managerSecret}
	s.start()
	acme := s.tenant("acme")
	app := s.create(acme)
	rx, made := s.subscribeAcme(settings{"after": 0})
	path := webhooksPath + "/" + made.ID
	resume := path + "/resume"
	for _, mode := range []string{"down", "invalid_audience"} {
		rx.set(mode)
		s.revokeOne(app)
		s.eventually("it is dead", func() bool { return s.webhook(acme, made.ID).Status == "dead" })
		w := s.webhook(acme, made.ID)
		if w.Lag == 0 || w.LastError == "" || w.DeadSince.IsZero() || strings.Contains(w.LastError, "canary") {
			t.Errorf("dead: %+v", w)
		}
		_, text := fetch(t, "http://"+metrics+"/metrics")
		if metric(t, text, "grantlog_webhooks", `status="dead"`) != 1 || metric(t, text, "grantlog_webhooks", `status="active"`) != 0 ||
			metric(t, text, "grantlog_webhook_lag_records", `status="dead"`) < 1 {
			t.Error("the metrics do not show a dead webhook")
		}
		n := len(rx.seen())
		s.revokeOne(app)
		rx.set("")
		s.restart() // dead is dead
		acme = s.tenant("acme")
		if more := len(rx.seen()); more != n {
			t.Errorf("%d pushes to a dead webhook", more-n)
		}
		if w := as[webhook](s.do(http.MethodPost, resume, "", "", bearer(acme)).ok()); w.Status != "active" {
			t.Errorf("resumed: %+v", w)
		}
		s.eventually("everything is acknowledged", func() bool { return s.webhook(acme, made.ID).Lag == 0 })
		same(t, rx, s.ended(acme))
	}
	n, all := len(rx.seen()), s.ended(acme)
	s.json(http.MethodPost, resume, settings{"after": 0}, bearer(acme)).ok()
	s.eventually("all is pushed again", func() bool { return len(rx.seen()) == n+len(all) && s.webhook(acme, made.ID).Lag == 0 })
	same(t, rx, all) // under the same jti
	_, text := fetch(t, "http://"+metrics+"/metrics")
	if got := metric(t, text, "grantlog_webhook_push_duration_seconds_count", `outcome="acknowledged"`); got < float64(len(all)) {
		t.Errorf("%v pushes were counted", got)
	}
	for _, bad := range []string{`{"after":-1}`, `{"after":"0"}`, `{"after":1000000}`, `{"after":1e400}`, `{"x":1}`, `[]`, `{"after":0}{}`} {
		s.refused("resume "+bad, s.do(http.MethodPost, resume, "application/json", bad, bearer(acme)))
	}
}

// Contract section 6: who may see and change webhooks.
func TestWebhooksAreManaged(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	admin, acme, globex := s.admin(), s.tenant("acme"), s.tenant("globex")
	with := func(scopes ...string) string {
		return s.token(s.create(acme, settings{"name": "Part", "scopes": scopes}))
	}
	good := settings{"url": "https://receiver.example/hook"}
	var ids []string
	for range 3 {
		ids = append(ids, as[webhook](s.json(http.MethodPost, webhooksPath, good, bearer(acme)).want(http.StatusCreated)).ID)
	}
	path := webhooksPath + "/" + ids[0]

	// Asked for again with its key, it is one webhook.
	key := header("Idempotency-Key", `"5d2bd0e1-6d6f-4f0e-9f36-1bd6a1e7a1d4"`)
	secret := settings{"url": "https://receiver.example/hook", "authorization": "Bearer x"}
	first := s.json(http.MethodPost, webhooksPath, secret, bearer(globex), key).want(http.StatusCreated)
	s.json(http.MethodPost, webhooksPath, secret, bearer(globex), key).exactly(http.StatusCreated, strings.TrimSpace(string(first.body)))
	s.json(http.MethodPost, webhooksPath, good, bearer(globex), key).want(http.StatusUnprocessableEntity)
	s.do(http.MethodDelete, webhooksPath+"/"+as[webhook](first).ID, "", "", bearer(globex)).want(http.StatusNoContent)
	s.json(http.MethodPost, webhooksPath, secret, bearer(globex), key).want(http.StatusGone)

	// What is pushed may be read with revocations:read; applications:write alone
	// does not give it away.
	reader, manager := with("revocations:read"), with("applications:write")
	s.get(path, bearer(reader)).ok()
	s.get(path, bearer(manager)).want(http.StatusForbidden)
	for _, token := range []string{reader, manager} {
		s.json(http.MethodPost, webhooksPath, good, bearer(token)).want(http.StatusForbidden)
		s.do(http.MethodPost, path+"/resume", "", "", bearer(token)).want(http.StatusForbidden)
		s.do(http.MethodDelete, path, "", "", bearer(token)).want(http.StatusForbidden)
		s.do(http.MethodDelete, webhooksPath+"?id="+ids[0], "", "", bearer(token)).want(http.StatusForbidden)
	}
	s.get(webhooksPath).want(http.StatusUnauthorized)

	// Another organization's is not found; an administrator sees all.
	if list := as[webhookList](s.get(webhooksPath, bearer(globex)).ok()); len(list.Webhooks) != 0 {
		t.Errorf("globex sees %v", list)
	}
	s.get(path, bearer(globex)).want(http.StatusNotFound)
	s.do(http.MethodPost, path+"/resume", "", "", bearer(globex)).want(http.StatusNotFound)
	s.do(http.MethodDelete, path, "", "", bearer(globex)).want(http.StatusNotFound)
	s.get(webhooksPath+"?organization=acme", bearer(globex)).want(http.StatusForbidden)
	s.get(path, bearer(admin)).ok()
	s.do(http.MethodPost, path+"/resume?organization=acme", "", "", bearer(admin)).ok()
	s.do(http.MethodPost, path+"/resume?organization=globex", "", "", bearer(admin)).want(http.StatusNotFound)

	var listed []string
	for cursor := ""; ; {
		page := as[webhookList](s.get(webhooksPath+"?limit=2"+cursor, bearer(acme)).ok())
		for _, w := range page.Webhooks {
			listed = append(listed, w.ID)
		}
		if page.NextCursor == "" {
			break
		}
		s.get(webhooksPath+"?cursor="+page.NextCursor, bearer(globex)).want(http.StatusBadRequest) // another list's
		cursor = "&cursor=" + page.NextCursor
	}
	if fmt.Sprint(listed) != fmt.Sprint(ids) {
		t.Errorf("listed %v, want %v", listed, ids)
	}

	// An address inside is the operator's to allow.
	for _, inside := range []string{"http://127.0.0.1:1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest"} {
		s.json(http.MethodPost, webhooksPath, settings{"url": inside}, bearer(acme)).want(http.StatusBadRequest)
		s.json(http.MethodPost, webhooksPath, settings{"url": inside}, bearer(admin)).want(http.StatusBadRequest)
	}
	s.json(http.MethodPost, webhooksPath, settings{"url": "https://10.0.0.1/", "private": true}, bearer(acme)).want(http.StatusForbidden)
	s.json(http.MethodPost, webhooksPath, settings{"url": "http://10.0.0.1/", "private": true}, bearer(admin)).want(http.StatusBadRequest)

	s.do(http.MethodDelete, webhooksPath+"?id="+ids[0], "", "", bearer(acme)).want(http.StatusNoContent)
	s.get(path, bearer(acme)).want(http.StatusNotFound)
	s.do(http.MethodDelete, webhooksPath, "", "", bearer(acme)).want(http.StatusBadRequest)
	s.do(http.MethodDelete, webhooksPath+"?id=", "", "", bearer(acme)).want(http.StatusBadRequest)
	s.do(http.MethodDelete, webhooksPath+"?id="+ids[1]+"&id="+ids[2], "", "", bearer(acme)).want(http.StatusBadRequest)
	for i := 2; i < 20; i++ {
		s.json(http.MethodPost, webhooksPath, good, bearer(acme)).want(http.StatusCreated)
	}
	s.json(http.MethodPost, webhooksPath, good, bearer(acme)).want(http.StatusConflict)
}

// SECURITY.md "Bad input": webhooks answer 4xx and write nothing.
func TestWebhooksRefuseBadInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	id := as[webhook](s.json(http.MethodPost, webhooksPath, settings{"url": "https://receiver.example"}, bearer(admin)).want(http.StatusCreated)).ID
	position := s.position()
	for _, body := range badJSON {
		s.refused("create "+body, s.do(http.MethodPost, webhooksPath, "application/json", body, bearer(admin)))
	}
	for member, values := range map[string][]string{
		"url": {`""`, `1`, `"x"`, `"//x"`, `"https://"`, `"https://u:p@receiver.example"`, `"https://receiver.example#f"`, `"https:\\\\receiver.example"`, `"javascript:alert(1)"`,
			`"ftp://receiver.example"`, `"https://receiver.example:99999"`, `"https://receiver.example/\u0000"`, `"https://receiver.example/\r\nX: y"`, `"https://` + strings.Repeat("a", 3000) + `"`},
		"audience":      {`1`, `"a b"`, `"\u0000"`, `["a"]`, `"` + strings.Repeat("a", 3000) + `"`},
		"authorization": {`""`, `1`, `" Bearer x"`, `"Bearer x\r\nX: y"`, `"é"`, `"` + strings.Repeat("a", 3000) + `"`},
		"private":       {`1`, `"true"`, `null`},
		"after":         {`-1`, `1.5`, `"0"`, `1e400`, `9223372036854775808`, `1000000`, `null`},
		"id":            {`"w_mine"`}, "organizationId": {`"acme"`}, "status": {`"dead"`}, "position": {`0`},
	} {
		for _, value := range values {
			body := `{"url":"https://receiver.example","` + member + `":` + value + `}`
			if member == "url" {
				body = `{"url":` + value + `}`
			}
			s.refused("create "+body, s.do(http.MethodPost, webhooksPath, "application/json", body, bearer(admin)))
		}
	}
	for _, contentType := range []string{"", "text/plain", formType, "application/secevent+jwt"} {
		s.do(http.MethodPost, webhooksPath, contentType, `{"url":"https://receiver.example"}`, bearer(admin)).want(http.StatusUnsupportedMediaType)
	}
	s.do(http.MethodPost, webhooksPath, "application/json", `{"url":"`+strings.Repeat("a", 70_000)+`"}`, bearer(admin)).want(http.StatusRequestEntityTooLarge)
	for _, v := range strange {
		if segment := url.PathEscape(v); v != "" && v != "." && v != ".." {
			s.refused("get "+v, s.get(webhooksPath+"/"+segment, bearer(admin), undescribed))
			s.refused("delete "+v, s.do(http.MethodDelete, webhooksPath+"/"+segment, "", "", bearer(admin), undescribed))
			s.refused("resume "+v, s.do(http.MethodPost, webhooksPath+"/"+segment+"/resume", "", "", bearer(admin), undescribed))
		}
		query := url.QueryEscape(v)
		s.refused("id "+v, s.do(http.MethodDelete, webhooksPath+"?id="+query, "", "", bearer(admin)))
		s.refused("limit "+v, s.get(webhooksPath+"?limit="+query, bearer(admin)))
		s.refused("cursor "+v, s.get(webhooksPath+"?cursor="+query, bearer(admin)))
	}
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		s.do(method, webhooksPath+"/"+id, "application/json", `{}`, bearer(admin), undescribed).want(http.StatusMethodNotAllowed)
	}
	if now := s.position(); now != position {
		t.Errorf("refused requests moved the log from %d to %d", position, now)
	}
}
