package command_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
)

const (
	quotes = "12345678-1234-1234-1234-123456789abc"
	orders = "00000000-0000-4000-8000-000000000001"
)

var (
	quotesTarget = command.Target{Organization: "acme", ID: quotes}
	operator     = command.Target{Organization: "acme", ID: quotes, Held: []string{command.ScopeAdmin}}
)

func service(uuid, authType string) happened {
	return in("acme", &events.ServiceCreated{
		ID: uuid, Profile: "my-profile", Environment: "production", AuthType: authType,
		ServiceSettings: events.ServiceSettings{Name: "Quotes", Upstream: "https://quotes.example"},
	})
}

func credential(uuid, clientID string) happened {
	return in("acme", &events.ServiceCredentialAdded{ID: uuid, ClientID: clientID, Secret: digest(1)})
}

func chosenService() command.ServiceSettings {
	return command.ServiceSettings{
		Profile: ptr("my-profile"), Environment: ptr("production"), Name: ptr("Quotes"), Upstream: ptr("https://quotes.example"),
	}
}

func TestCreateService(t *testing.T) {
	s := given(t, acme())
	d, err := command.CreateService(s, quotesTarget, chosenService())
	then(t, d, err, 0, service(quotes, "oauth").data)

	open := chosenService()
	open.AuthType, open.Private = ptr("none"), ptr(true)
	d, err = command.CreateService(s, operator, open)
	want := service(quotes, "none").data.(*events.ServiceCreated)
	want.Private = true
	then(t, d, err, 0, want)
	d, err = command.CreateService(s, quotesTarget, open)
	refused(t, d, err, command.KindForbidden)

	d, err = command.CreateService(s, command.Target{Organization: "globex", ID: quotes}, chosenService())
	refused(t, d, err, command.KindNotFound)
}

func TestCreateServiceWithCredential(t *testing.T) {
	s := given(t, acme())
	secret := events.SecretDigest{1}
	first := &events.ServiceCredentialAdded{ID: quotes, ClientID: "svc_1", Secret: &secret}
	d, err := command.CreateServiceWithCredential(s, quotesTarget, chosenService(), "svc_1", secret)
	then(t, d, err, 0, service(quotes, "oauth").data, first)
	unsaid := chosenService()
	unsaid.AuthType = nil
	d, err = command.CreateServiceWithCredential(s, quotesTarget, unsaid, "svc_1", secret)
	then(t, d, err, 0, service(quotes, "oauth").data, first)

	open := chosenService()
	open.AuthType = ptr("none")
	d, err = command.CreateServiceWithCredential(s, quotesTarget, open, "svc_1", secret)
	then(t, d, err, 0, service(quotes, "none").data)

	open.AuthType = ptr("basic")
	d, err = command.CreateServiceWithCredential(s, quotesTarget, open, "svc_1", secret)
	refused(t, d, err, command.KindInvalid)
}

func TestCreateServiceUnderAUsedUUID(t *testing.T) {
	globex := in("globex", &events.OrganizationCreated{ID: "globex", Name: "Globex"})
	for name, history := range map[string][]happened{
		"in use":                 {acme(), service(quotes, "oauth")},
		"deleted":                {acme(), service(quotes, "oauth"), in("acme", &events.ServiceDeleted{ID: quotes})},
		"another organization's": {acme(), globex, in("globex", service(quotes, "oauth").data)},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := command.CreateService(given(t, history...), quotesTarget, chosenService())
			refused(t, d, err, command.KindConflict)
		})
	}
}

// badSettings are no settings of any service.
func badSettings() map[string]func(*command.ServiceSettings) {
	bad := map[string]func(*command.ServiceSettings){
		"no name":       func(c *command.ServiceSettings) { c.Name = ptr(" ") },
		"long name":     func(c *command.ServiceSettings) { c.Name = ptr(strings.Repeat("x", 201)) },
		"control name":  func(c *command.ServiceSettings) { c.Name = ptr("a\nb") },
		"auth type":     func(c *command.ServiceSettings) { c.AuthType = ptr("basic") },
		"no auth type":  func(c *command.ServiceSettings) { c.AuthType = ptr("") },
		"long upstream": func(c *command.ServiceSettings) { c.Upstream = ptr("http://a/" + strings.Repeat("x", 2000)) },
	}
	for _, upstream := range []string{
		"", "quotes.example", "/x", "ftp://a", "file:///etc/passwd", "http://", "http:///x", "http://:80", "http://a:", "http://a:0",
		"http://a:65536", "http://u@a", "http://u:p@a", "http://a/#f", "http://a/#", "http://a b", "http://a\\b", "http://a/\x00",
		"http://a/%zz", "http://é", "http://a/${x_access_token}", "http://${x_access_token}/", "http://[::1", "http://a/<b>", "javascript:x",
	} {
		bad[fmt.Sprintf("upstream %q", upstream)] = func(c *command.ServiceSettings) { c.Upstream = &upstream }
	}
	return bad
}

func TestServiceSettingsThatAreNone(t *testing.T) {
	s := given(t, acme(), service(orders, "oauth"))
	for name, change := range badSettings() {
		t.Run(name, func(t *testing.T) {
			chosen := chosenService()
			change(&chosen)
			d, err := command.CreateService(s, quotesTarget, chosen)
			refused(t, d, err, command.KindInvalid)
			d, err = command.UpdateService(s, command.Target{Organization: "acme", ID: orders}, nil, chosen)
			refused(t, d, err, command.KindInvalid)
		})
	}
}

func TestServiceNamesThatAreNone(t *testing.T) {
	s := given(t, acme())
	for _, name := range []string{"", ".", "..", "a/b", "a b", "a.b", "*", ">", "$JS", "é", "a\x00", "%2e", strings.Repeat("a", 65)} {
		for field, change := range map[string]func(*command.ServiceSettings){
			"profile":     func(c *command.ServiceSettings) { c.Profile = &name },
			"environment": func(c *command.ServiceSettings) { c.Environment = &name },
		} {
			chosen := chosenService()
			change(&chosen)
			if d, err := command.CreateService(s, quotesTarget, chosen); !errors.Is(err, &command.Error{Kind: command.KindInvalid}) {
				t.Errorf("%s %q: %v, %v", field, name, d, err)
			}
		}
	}
	for _, uuid := range []string{
		"", "x", strings.ToUpper(quotes), quotes + "0", quotes[1:], strings.ReplaceAll(quotes, "-", ""), strings.ReplaceAll(quotes, "-", "."),
		"{" + quotes + "}", "urn:uuid:" + quotes, quotes + "\n", strings.Repeat("a", 10_000),
	} {
		d, err := command.CreateService(s, command.Target{Organization: "acme", ID: uuid}, chosenService())
		refused(t, d, err, command.KindInvalid)
	}
}

func TestUpdateService(t *testing.T) {
	renamed := events.ServiceSettings{Name: "Prices", Upstream: "https://quotes.example"}
	for name, c := range map[string]struct {
		history []happened
		chosen  command.ServiceSettings
		guard   int
		want    []events.Data
	}{
		"name": {[]happened{acme(), service(quotes, "oauth")}, command.ServiceSettings{Name: ptr("Prices")}, 2,
			[]events.Data{&events.ServiceUpdated{ID: quotes, ServiceSettings: renamed}}},
		"after a credential": {[]happened{acme(), service(quotes, "oauth"), credential(quotes, "svc_1")}, command.ServiceSettings{Name: ptr("Prices")}, 3,
			[]events.Data{&events.ServiceUpdated{ID: quotes, ServiceSettings: renamed}}},
		"after an ending": {[]happened{acme(), service(quotes, "oauth"), in("acme", &events.ServiceAuthDisabled{ID: quotes})}, command.ServiceSettings{Name: ptr("Prices")}, 2,
			[]events.Data{&events.ServiceUpdated{ID: quotes, ServiceSettings: renamed}}},
		"name while turning off": {[]happened{acme(), service(quotes, "oauth")}, command.ServiceSettings{Name: ptr("Prices"), AuthType: ptr("none")}, 2,
			[]events.Data{&events.ServiceUpdated{ID: quotes, ServiceSettings: renamed}}},
		"turn on": {[]happened{acme(), service(quotes, "none")}, command.ServiceSettings{AuthType: ptr("oauth")}, 2,
			[]events.Data{&events.ServiceAuthEnabled{ID: quotes}}},
		"both": {[]happened{acme(), service(quotes, "none")}, command.ServiceSettings{Name: ptr("Prices"), AuthType: ptr("oauth")}, 2,
			[]events.Data{&events.ServiceUpdated{ID: quotes, ServiceSettings: renamed}, &events.ServiceAuthEnabled{ID: quotes}}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := command.UpdateService(given(t, c.history...), quotesTarget, nil, c.chosen)
			then(t, d, err, c.guard, c.want...)
		})
	}
}

func TestUpdateServiceRefuses(t *testing.T) {
	s := given(t, acme(), service(quotes, "oauth"), in("acme", &events.ServiceAuthDisabled{ID: quotes}))
	d, err := command.UpdateService(s, command.Target{Organization: "globex", ID: quotes}, nil, chosenService())
	refused(t, d, err, command.KindNotFound)
	for _, chosen := range []command.ServiceSettings{{Profile: ptr("other")}, {Environment: ptr("development")}} {
		d, err = command.UpdateService(s, quotesTarget, nil, chosen)
		refused(t, d, err, command.KindInvalid)
	}
	// What If-Match names is the last change of what is shown, here the ending.
	rename := command.ServiceSettings{Name: ptr("Prices")}
	d, err = command.UpdateService(s, quotesTarget, []events.Position{2}, rename)
	refused(t, d, err, command.KindPrecondition)
	if _, err := command.UpdateService(s, quotesTarget, []events.Position{1, 3}, rename); err != nil {
		t.Error(err)
	}
	if _, err := command.UpdateService(s, quotesTarget, []events.Position{2}, command.ServiceSettings{}); !errors.Is(err, &command.Error{Kind: command.KindPrecondition}) {
		t.Errorf("changing nothing of a former state: %v", err)
	}
	if _, err := command.UpdateService(s, quotesTarget, nil, chosenService()); err != command.ErrUnchanged {
		t.Errorf("changing nothing: %v", err)
	}
}

// A private address is the operator's to allow, for one upstream at a time.
func TestPrivateUpstream(t *testing.T) {
	created := service(quotes, "oauth").data.(*events.ServiceCreated)
	created.Private = true
	s := given(t, acme(), in("acme", created))
	elsewhere := command.ServiceSettings{Upstream: ptr("https://other.example")}
	d, err := command.UpdateService(s, quotesTarget, nil, elsewhere)
	then(t, d, err, 2, &events.ServiceUpdated{ID: quotes, ServiceSettings: events.ServiceSettings{Name: "Quotes", Upstream: "https://other.example"}})
	for _, private := range []string{"http://127.0.0.1:22", "http://LOCALHOST./", "http://a.localhost", "http://[::ffff:10.0.0.1]", "http://169.254.169.254/latest"} {
		d, err = command.UpdateService(s, operator, nil, command.ServiceSettings{Upstream: ptr(private)})
		refused(t, d, err, command.KindInvalid)
	}

	elsewhere = command.ServiceSettings{Upstream: ptr("http://127.0.0.1:22"), Private: ptr(true)}
	d, err = command.UpdateService(s, quotesTarget, nil, elsewhere)
	refused(t, d, err, command.KindForbidden)
	d, err = command.UpdateService(s, operator, nil, elsewhere)
	then(t, d, err, 2, &events.ServiceUpdated{ID: quotes, ServiceSettings: events.ServiceSettings{Name: "Quotes", Upstream: "http://127.0.0.1:22", Private: true}})

	// What was read may be written back.
	same := chosenService()
	same.Private = ptr(true)
	if _, err := command.UpdateService(s, quotesTarget, nil, same); err != command.ErrUnchanged {
		t.Error(err)
	}
}

func TestServiceEndings(t *testing.T) {
	s := given(t, acme(), service(quotes, "oauth"), credential(quotes, "svc_1"), service(orders, "none"))
	d, err := command.DisableServiceAuth(s, quotesTarget)
	then(t, d, err, -1, &events.ServiceAuthDisabled{ID: quotes})
	if _, err := command.DisableServiceAuth(s, command.Target{Organization: "acme", ID: orders}); err != command.ErrUnchanged {
		t.Errorf("turned off twice: %v", err)
	}
	d, err = command.DeleteService(s, quotesTarget)
	then(t, d, err, -1, &events.ServiceDeleted{ID: quotes})
	d, err = command.RemoveCredential(s, quotesTarget, "svc_1")
	then(t, d, err, -1, &events.ServiceCredentialRemoved{ID: quotes, ClientID: "svc_1"})
	d, err = command.RemoveCredential(s, command.Target{Organization: "acme", ID: orders}, "svc_1")
	refused(t, d, err, command.KindNotFound)

	stranger := command.Target{Organization: "globex", ID: quotes}
	d, err = command.DisableServiceAuth(s, stranger)
	refused(t, d, err, command.KindNotFound)
	d, err = command.DeleteService(s, stranger)
	refused(t, d, err, command.KindNotFound)
	d, err = command.RemoveCredential(s, stranger, "svc_1")
	refused(t, d, err, command.KindNotFound)
	d, err = command.AddCredential(s, stranger, "svc_2", *digest(2))
	refused(t, d, err, command.KindNotFound)
}

func TestAddCredential(t *testing.T) {
	history := []happened{acme(), service(quotes, "oauth")}
	d, err := command.AddCredential(given(t, history...), quotesTarget, "svc_1", *digest(1))
	then(t, d, err, 2, credential(quotes, "svc_1").data)
	for i := range 100 {
		history = append(history, credential(quotes, fmt.Sprint("svc_", i)))
	}
	d, err = command.AddCredential(given(t, history...), quotesTarget, "svc_x", *digest(1))
	refused(t, d, err, command.KindConflict)
}

// Applying what EnsureService decides, until nothing is left, gives what was
// asked for; doing it again gives nothing.
func TestEnsureService(t *testing.T) {
	for name, history := range map[string][]happened{
		"new":       {acme()},
		"as it is":  {acme(), service(quotes, "oauth")},
		"the other": {acme(), service(quotes, "none"), in("acme", &events.ServiceUpdated{ID: quotes, ServiceSettings: events.ServiceSettings{Name: "x", Upstream: "http://x"}})},
	} {
		for _, authType := range []string{"oauth", "none"} {
			t.Run(name+" "+authType, func(t *testing.T) {
				s := given(t, history...)
				chosen := chosenService()
				chosen.AuthType, chosen.Private = &authType, ptr(true)
				position := len(history)
				for steps := 0; ; steps++ {
					d, err := command.EnsureService(s, operator, chosen)
					if err == command.ErrUnchanged {
						break
					}
					if err != nil || steps == 2 {
						t.Fatalf("step %d: %v", steps, err)
					}
					position++
					for i, e := range d.Events {
						apply(t, s, d.Subject, position, i, in("acme", e))
					}
				}
				got, _ := s.Services.Get(quotes)
				want := events.ServiceSettings{Name: "Quotes", Upstream: "https://quotes.example", Private: true}
				if diff := cmp.Diff(want, got.ServiceSettings); diff != "" || got.AuthType != authType {
					t.Errorf("%s %s", got.AuthType, diff)
				}
			})
		}
	}
	deleted := given(t, acme(), service(quotes, "oauth"), in("acme", &events.ServiceDeleted{ID: quotes}))
	if _, err := command.EnsureService(deleted, operator, chosenService()); err != command.ErrServiceDeleted {
		t.Errorf("a deleted service: %v", err)
	}
	foreign := given(t, acme(), in("globex", service(quotes, "oauth").data))
	d, err := command.EnsureService(foreign, operator, chosenService())
	refused(t, d, err, command.KindConflict)
}
