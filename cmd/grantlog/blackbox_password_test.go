package main_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedSample is the access token of seed 003's sample answer.
const seedSample = `{"nbf":1652939391,"exp":1652982591,"iss":"http://internalpartner.testing.comm100dev.io","aud":"ids.resource.1",` +
	`"client_id":"datasync 10000","sub":"bfeb45d7-50dc-416d-b3c8-35db64d288f3","auth_time":1652939391,"idp":"local",` +
	`"userId":"bfeb45d7-50dc-416d-b3c8-35db64d288f3","partnerId":"10000","thumbprint":"96166CA3B34ABF2D04DF96A015BBDDD09B0A7C59",` +
	`"success":"True","role":"User","jti":"85E753A60D6832829D2E80105E750062","iat":1652939391,` +
	`"scope":["ids.scope","openid","profile","offline_access"],"amr":["pwd"]}`

// 003_13e2a26c3fdbc5be.txt, "Request token by Password": the sample request gets
// the sample's answer, to the order and the types of the token's claims.
func TestPasswordGrantOfTheSeed(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	a := s.do(http.MethodPost, partnerQuery, formType,
		"client_id=1d29e6d7-18cf-407d-a064-e4f8c4baefab&grant_type=password&email=agent@example.com&password=correct+horse+battery").ok()
	if !regexp.MustCompile(`^\{"access_token":"[\w.-]+","token_type":"Bearer","expires_in":43200\}\s*$`).Match(a.body) {
		t.Fatalf("%s", a.body)
	}
	a.has("Cache-Control", "no-store").has("Pragma", "no-cache")
	token := as[tokenResponse](a).AccessToken
	head, claims := decoded(t, token, 0), decoded(t, token, 1)
	if names, want := memberNames(t, claims), memberNames(t, []byte(seedSample)); !slices.Equal(names, want) {
		t.Errorf("claims\n got %v\nwant %v", names, want)
	}
	got, sample := members(t, claims), members(t, []byte(seedSample))
	for name, value := range sample {
		if fmt.Sprintf("%T", got[name]) != fmt.Sprintf("%T", value) {
			t.Errorf("%s is %v, in the sample %v", name, got[name], value)
		}
	}
	if h := members(t, head); h["alg"] != "RS256" || h["typ"] != "at+jwt" {
		t.Errorf("header %s", head)
	}
	agent := s.users(s.token(manager), "")[0]
	issuedAt := got["iat"].(float64)
	for name, want := range map[string]any{
		"iss": s.issuer(), "aud": s.issuer(), "client_id": datasync.ClientID, "sub": agent.ID, "userId": agent.ID,
		"nbf": issuedAt, "auth_time": issuedAt, "exp": issuedAt + 43200, "idp": "local", "partnerId": "10000",
		"success": "True", "role": "AGENT", "scope": []any{"ids.scope", "openid", "profile"}, "amr": []any{"pwd"},
	} {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if want := s.thumbprint(members(t, head)["kid"].(string)); got["thumbprint"] != want {
		t.Errorf("thumbprint %v, want %s", got["thumbprint"], want)
	}
	if jti, _ := got["jti"].(string); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(jti) {
		t.Errorf("jti %v", got["jti"])
	}

	// "Get user info", with openid and without.
	body := fmt.Sprintf(`{"agentId":%q,"siteId":10115,"role":"AGENT"}`, agent.ID)
	s.get("/oauth/userinfo", bearer(token)).exactly(http.StatusOK, strings.TrimSuffix(body, "}")+fmt.Sprintf(`,"sub":%q}`, agent.ID))
	narrow := s.login(agentEmail, agentPassword, "scope", "ids.scope").ok()
	plain := as[tokenResponse](narrow).AccessToken
	s.get("/oauth/userinfo", bearer(plain)).exactly(http.StatusOK, body).has("Cache-Control", "no-store")
	s.do(http.MethodPost, "/oauth/userinfo", "", "", bearer(plain)).exactly(http.StatusOK, body)

	// RFC 7662 section 2.2: one string, whatever the token has.
	if seen := s.introspect(manager, token); !seen.Active || seen.Scope != "ids.scope openid profile" || seen.Subject != agent.ID {
		t.Errorf("%+v", seen)
	}
	if seen := s.introspect(manager, plain); seen.Scope != "ids.scope" {
		t.Errorf("%+v", seen)
	}
	s.form("/oauth/revoke", []string{"token", plain, "client_id", datasync.ClientID}).ok()
	s.get("/oauth/userinfo", bearer(plain)).want(http.StatusUnauthorized)
}

func decoded(t *testing.T, token string, part int) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func members(t *testing.T, object []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// memberNames returns them in their order.
func memberNames(t *testing.T, object []byte) (names []string) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(object)))
	dec.Token()
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// thumbprint computes that of a published RSA key.
func (s *server) thumbprint(kid string) string {
	s.t.Helper()
	set := as[struct {
		Keys []struct {
			ID string `json:"kid"`
			N  string `json:"n"`
			E  string `json:"e"`
		} `json:"keys"`
	}](s.get("/oauth/jwks").ok())
	for _, k := range set.Keys {
		if k.ID != kid {
			continue
		}
		n, _ := base64.RawURLEncoding.DecodeString(k.N)
		e, _ := base64.RawURLEncoding.DecodeString(k.E)
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintf("%X", sha1.Sum(der))
	}
	s.t.Fatalf("no key %s is published", kid)
	return ""
}

// Section 5: who may not, and what is said: in both forms, and no more of a user
// than that the pair was wrong.
func TestPasswordGrantRefusals(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	admin, acme := s.admin(), s.token(manager)
	disabled := s.createUser(acme, "disabled@example.com")
	s.json(http.MethodPut, disabled.path(), settings{"disabled": true}, bearer(acme)).ok()
	s.createUser(acme, "mute@example.com", settings{"password": nil})
	s.json(http.MethodPut, "/oauth/users/"+disabled.ID, settings{"password": agentPassword}, bearer(acme)).ok()
	confidential := s.create(acme, settings{"scopes": []string{}, "grantTypes": []string{"password"}})
	plain := s.create(acme)
	foreign := s.create(admin, settings{"scopes": []string{}, "grantTypes": []string{"password"}}) // of organization default

	form := func(path string, more ...string) answer {
		t.Helper()
		return s.form(path, append([]string{"grant_type", "password"}, more...))
	}
	ok := []string{"client_id", datasync.ClientID, "email", agentEmail, "password", agentPassword}
	with := func(name, value string) []string {
		pairs := slices.Clone(ok)
		pairs[slices.Index(pairs, name)+1] = value
		return pairs
	}
	for name, c := range map[string]struct {
		answer  answer
		status  int
		code    string
		message string
	}{
		"no partner":        {form("/oauth/token", ok...), 400, "invalid_request", "Missing required parameters"},
		"empty partner":     {form("/oauth/token?partnerId=", ok...), 400, "invalid_request", "Missing required parameters"},
		"another partner":   {form("/oauth/token?partnerId=10001", ok...), 400, "invalid_request", "The partnerId is not the client's"},
		"unknown partner":   {form("/oauth/token?partnerId=9", ok...), 400, "invalid_request", "The partnerId is not the client's"},
		"two partners":      {form("/oauth/token?partnerId=10000&partnerId=10000", ok...), 400, "invalid_request", "The partnerId parameter is repeated"},
		"partner in body":   {form("/oauth/token", append(slices.Clone(ok), "partnerId", "10000")...), 400, "invalid_request", "Missing required parameters"},
		"password in query": {form(partnerQuery+"&password=x", ok...), 400, "invalid_request", "Credentials belong in the body, not in the URL"},
		"no email":          {form(partnerQuery, "client_id", datasync.ClientID, "password", agentPassword), 400, "invalid_request", "Missing required parameters"},
		"no password":       {form(partnerQuery, "client_id", datasync.ClientID, "email", agentEmail), 400, "invalid_request", "Missing required parameters"},
		"two names":         {form(partnerQuery, append(slices.Clone(ok), "username", "other@example.com")...), 400, "invalid_request", "The email and username differ"},
		"no client":         {form(partnerQuery, "email", agentEmail, "password", agentPassword), 400, "invalid_request", "Missing required parameters"},
		"unknown client":    {form(partnerQuery, with("client_id", "nobody")...), 401, "invalid_client", "Invalid client credentials"},
		"no secret":         {form(partnerQuery, with("client_id", confidential.ClientID)...), 401, "invalid_client", "Invalid client credentials"},
		"not allowed":       {s.form(partnerQuery, []string{"grant_type", "password", "email", agentEmail, "password", agentPassword}, basic(plain)), 400, "unauthorized_client", "This client may not use the password grant"},
		"foreign client":    {s.form(partnerQuery, []string{"grant_type", "password", "email", agentEmail, "password", agentPassword}, basic(foreign)), 400, "invalid_request", "The partnerId is not the client's"},
		"more scope":        {form(partnerQuery, append(slices.Clone(ok), "scope", "users:write")...), 400, "invalid_scope", "The client does not have scope users:write"},
		"wrong password":    {form(partnerQuery, with("password", "wrong")...), 400, "invalid_grant", "Invalid email or password"},
		"unknown user":      {form(partnerQuery, with("email", "nobody@example.com")...), 400, "invalid_grant", "Invalid email or password"},
		"disabled user":     {form(partnerQuery, with("email", "disabled@example.com")...), 400, "invalid_grant", "Invalid email or password"},
		"without password":  {form(partnerQuery, with("email", "mute@example.com")...), 400, "invalid_grant", "Invalid email or password"},
	} {
		c.answer.t = t
		want := fmt.Sprintf(`{"error":%q,"error_description":%q,"code":%d,"message":%q}`, c.code, c.message, c.status, c.message)
		if c.answer.status != c.status || strings.TrimSpace(string(c.answer.body)) != want {
			t.Errorf("%s: %d %s\nwant %s", name, c.answer.status, c.answer.body, want)
		}
	}
	form(partnerQuery, with("email", strings.ToUpper(agentEmail))...).ok()
	form(partnerQuery, "client_id", datasync.ClientID, "username", agentEmail, "password", agentPassword).ok()
	s.form(partnerQuery, []string{"grant_type", "password", "email", agentEmail, "password", agentPassword}, basic(confidential)).ok()
	s.form(partnerQuery, []string{"grant_type", "client_credentials"}, basic(confidential)).want(http.StatusBadRequest)
}

// Section 4: ten failures of an account and an address, also across a restart;
// nobody else is shut out.
func TestLoginsAreThrottledAcrossARestart(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	s.createUser(s.token(manager), "other@example.com")
	for n := range 5 {
		if s.throttles(fmt.Sprintf("Agent%d@Example.com", n)) {
			return
		}
	}
	t.Error("a minute is too short here for some logins and restarts")
}

// throttles fails to log in as a new user until that is refused. It returns
// false where it took more than the minute in which failures count, and so says
// nothing.
func (s *server) throttles(email string) bool {
	s.t.Helper()
	s.createUser(s.token(manager), email)
	began := time.Now()
	for i := range 10 {
		s.login([]string{email, strings.ToLower(email)}[i%2], "wrong").want(http.StatusBadRequest)
		if i == 6 {
			s.restart()
		}
	}
	for range 2 {
		for _, password := range []string{agentPassword, "wrong"} {
			a := s.login(email, password)
			if time.Since(began) > time.Minute {
				return false
			}
			a.want(http.StatusTooManyRequests)
			if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
				s.t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		}
		s.userToken("other@example.com")
		s.restart()
	}
	return true
}

// Section 2: what is advertised.
func TestPasswordGrantIsAdvertised(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range metadataPaths {
		document := as[map[string]any](s.get(path).ok())
		if !slices.Contains(list(document["grant_types_supported"]), "password") || !slices.Contains(list(document["token_endpoint_auth_methods_supported"]), "none") {
			t.Errorf("%s: %v", path, document)
		}
	}
	provider := as[map[string]any](s.get(metadataPaths[1]).ok())
	if provider["userinfo_endpoint"] != s.issuer()+"/oauth/userinfo" {
		t.Errorf("userinfo_endpoint %v", provider["userinfo_endpoint"])
	}
}

// SECURITY.md G11: addresses and passwords are in clear nowhere below the data
// directory, nor in the server's words at debug level; and when the user is
// deleted, its key is nowhere either, while the log proves whole.
func TestPersonalDataAppearNowhere(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	acme := s.token(manager)
	const canary, changed, password, next = "canary-person@example.com", "canary-moved@example.com", "canary password one", "canary password two"
	u := s.createUser(acme, canary, settings{"password": password})
	s.login(canary, password).ok()
	s.login(canary, "canary password wrong").want(http.StatusBadRequest)
	s.login("canary-nobody@example.com", password).want(http.StatusBadRequest)
	s.form(partnerQuery+"&password="+"canary+password+url", []string{"grant_type", "password", "email", canary}).want(http.StatusBadRequest)
	s.json(http.MethodPost, "/oauth/users", settings{"email": canary}, bearer(acme)).want(http.StatusConflict)
	s.json(http.MethodPost, "/oauth/users", settings{"email": canary + "@", "password": password}, bearer(acme)).want(http.StatusBadRequest)
	s.do(http.MethodPost, "/oauth/users", "application/json", `{"email":"`+canary, bearer(acme)).want(http.StatusBadRequest)
	s.json(http.MethodPut, u.path(), settings{"email": changed, "password": next}, bearer(acme)).ok()
	s.get("/oauth/users", bearer(acme)).ok()
	s.restart()
	s.login(changed, next).ok()
	for _, text := range []string{canary, changed, password, next, "canary", agentPassword, strings.ToLower(agentEmail), agentEmail} {
		for _, form := range []string{text, base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)), fmt.Sprintf("%x", text), "canary+password"} {
			if strings.Contains(s.out.String(), form) {
				t.Errorf("%q is in the server's output", form)
			}
			lookFor(t, s.data, form, []byte(form))
		}
	}

	acme = s.token(manager)
	s.do(http.MethodDelete, u.path(), "", "", bearer(acme)).want(http.StatusNoContent)
	s.stop()
	bucket := filepath.Join(s.data, "jetstream", "$G", "streams", "KV_grantlog_erasable")
	if _, err := os.Stat(bucket); err != nil {
		t.Fatal(err)
	}
	lookFor(t, bucket, "the id of a deleted user", []byte(u.ID))
	if r := run(t, nil, "verify", "--data", s.data); r.code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	s.start()
	s.login(changed, next).want(http.StatusBadRequest)
	s.login(agentEmail, agentPassword).ok()
}
