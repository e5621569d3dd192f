package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/proxy"
)

// What belongs to the connection, to grantlog or to a forger does not arrive,
// nor what could name another method or path than the one that was judged.
func TestWhatTheUpstreamSees(t *testing.T) {
	var seen *http.Request
	var body []byte
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
	})
	to.Headers = []events.UpstreamHeader{{Name: "X-Provider", Value: "ours"}}
	host := to.URL.Host
	to.URL.Path, to.URL.RawQuery = "/base", "v=1"
	f := newFace(t, to, proxy.Config{})
	forged := []string{
		"X-Auth-Client-Id", "x-AUTH-application-id", "X_auth_scope", "x_auth-token_id", "X-Auth-Anything", "Forwarded", "X-Real-Ip", "X_Forwarded_For",
		"X-Forwarded-User", "X-Forwarded-Prefix", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Method-Override", "X_Provider",
		"True-Client-Ip", "Cookie", "Consistency-Token", "Authorization", "Proxy-Authorization", "Upgrade", "Http2-Settings", "Via",
	}
	sent := []string{
		"Connection", "X-Hop, Upgrade", "X-Hop", "1", "Te", "gzip", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "evil", "X-Forwarded-Proto", "ftp",
		"X-Request-Id", "forged", "X-Provider", "theirs", "Content-Type", "application/json", "Accept", "a/b", "X-Kept", "1", "X-Kept", "2",
	}
	for _, name := range forged {
		sent = append(sent, name, "forged")
	}
	if _, _, err := f.post("hello", sent...); err != nil {
		t.Fatal(err)
	}
	if got := seen.URL.RequestURI(); got != "/base?v=1&x=1&y=%2F" || string(body) != "hello" || seen.Host != host {
		t.Errorf("%s of %s, %q", got, seen.Host, body)
	}
	for name, values := range seen.Header {
		if strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("the upstream saw %s: %q", name, values)
		}
	}
	if wrong := header(map[string]string{
		"X-Hop": "", "Te": "", "Connection": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "issuer.example:8443", "X-Forwarded-Proto": "https",
		"X-Provider": "ours", "X-Kept": "1, 2", "Accept": "a/b", "Content-Type": "application/json",
	}, seen.Header); wrong != nil {
		t.Error(wrong)
	}
	if len(seen.Header.Values("X-Request-Id")) != 1 {
		t.Errorf("X-Request-Id %q", seen.Header.Values("X-Request-Id"))
	}
}

func TestWhatIsConfigured(t *testing.T) {
	var body []byte
	var token string
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("Authorization")
		body, _ = io.ReadAll(r.Body)
	})
	to.PassToken, to.Body = true, `{"fixed":1}`
	f := newFace(t, to, proxy.Config{})
	if _, _, err := f.post("theirs", "Authorization", "Bearer x"); err != nil || string(body) != to.Body || token != "Bearer x" {
		t.Errorf("%v: %q, %q", err, body, token)
	}
	if answer, err := f.client.Do(f.request(http.MethodGet, nil)); err != nil || answer.Body.Close() != nil || string(body) != to.Body {
		t.Errorf("%v: %q", err, body)
	}
}

// What grantlog says of an answer is not the upstream's to say, and nothing of
// it runs in a browser.
func TestWhatTheCallerSees(t *testing.T) {
	to := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{
			"X-Ratelimit-Limit": "1000000", "X-Request-Id": "forged", "Consistency-Token": "gl1-zzz", "Set-Cookie": "__Host-session=b", "Alt-Svc": "h3=\":1\"",
			"Content-Security-Policy": "default-src *", "Content-Type": "text/html", "X-Kept": "1", "Location": "http://elsewhere.example/", "Cache-Control": "private",
			"Strict-Transport-Security": "max-age=0", "Clear-Site-Data": `"*"`, "Trailer": "X-Sum",
		} {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusFound)
		fmt.Fprint(w, "<script>")
		w.Header().Set("X-Sum", "7")
	})
	f := newFace(t, to, proxy.Config{})
	answer, text, err := f.post("")
	if err != nil || answer.StatusCode != http.StatusFound || text != "<script>" || answer.Trailer.Get("X-Sum") != "7" {
		t.Errorf("%d %q %v, trailer %v", answer.StatusCode, text, err, answer.Trailer)
	}
	if wrong := header(map[string]string{
		"X-Ratelimit-Limit": "50", "Consistency-Token": "", "Set-Cookie": "", "Content-Security-Policy": "default-src 'none'; sandbox", "Alt-Svc": "",
		"X-Content-Type-Options": "nosniff", "X-Kept": "1", "Location": "http://elsewhere.example/", "Content-Type": "text/html", "Cache-Control": "private",
		"Strict-Transport-Security": "", "Clear-Site-Data": "",
	}, answer.Header); wrong != nil {
		t.Error(wrong)
	}
	if id := answer.Header.Values("X-Request-Id"); len(id) != 1 || id[0] == "forged" {
		t.Errorf("X-Request-Id %q", id)
	}
}

// Interim answers neither reach the caller nor spoil the final one.
func TestInterimAnswers(t *testing.T) {
	f := newFace(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusAccepted)
	}), proxy.Config{})
	r := f.request(http.MethodPost, nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { t.Errorf("%d", code); return nil },
	}))
	answer, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted || answer.Header.Get("X-Ratelimit-Limit") != "50" || answer.Header.Get("Link") != "" {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
}

// Without the operator's word an upstream on this machine is not called.
func TestPrivateAddresses(t *testing.T) {
	to := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	to.Private = false
	answer, text, err := newFace(t, to, proxy.Config{}).post("{}")
	if err != nil || text != failed || answer.StatusCode != http.StatusBadGateway {
		t.Errorf("%d %s %v", answer.StatusCode, text, err)
	}
}
