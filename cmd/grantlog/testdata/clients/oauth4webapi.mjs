// oauth4webapi checks every answer to the letter of the RFCs and throws on the
// first that is not as they say.
import * as oauth from 'oauth4webapi';
import { assert, clientId, clientSecret, issuer, refused, resource } from './check.mjs';

const insecure = { [oauth.allowInsecureRequests]: true }; // loopback speaks http
const client = { client_id: clientId };

for (const algorithm of ['oauth2', 'oidc']) {
  const discovered = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  await oauth.processDiscoveryResponse(issuer, discovered);
}
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));

async function token(auth, parameters) {
  const response = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, insecure);
  return oauth.processClientCredentialsResponse(as, client, response);
}

async function introspect(auth, value) {
  const response = await oauth.introspectionRequest(as, client, auth, value, insecure);
  return oauth.processIntrospectionResponse(as, client, response);
}

for (const auth of [oauth.ClientSecretBasic(clientSecret), oauth.ClientSecretPost(clientSecret)]) {
  const issued = await token(auth, { scope: 'read:customers' });
  assert.equal(issued.token_type, 'bearer');
  assert.equal(issued.scope, 'read:customers');

  // RFC 9068 section 4: typ, iss, aud, exp, sub, client_id, iat, jti, signature.
  const request = new Request(resource, { headers: { authorization: `Bearer ${issued.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, resource, insecure);
  assert.equal(claims.client_id, clientId);

  assert.equal((await introspect(auth, issued.access_token)).active, true);
  const revoked = await oauth.revocationRequest(as, client, auth, issued.access_token, insecure);
  await oauth.processRevocationResponse(revoked);
  assert.deepEqual(await introspect(auth, issued.access_token), { active: false });
}

const scope = await refused(token(oauth.ClientSecretBasic(clientSecret), { scope: 'not:mine' }));
assert.ok(scope instanceof oauth.ResponseBodyError);
assert.equal(scope.error, 'invalid_scope');
assert.equal(scope.status, 400);

// A challenge comes first: oauth4webapi shows what WWW-Authenticate says.
const credentials = await refused(token(oauth.ClientSecretBasic('wrong'), {}));
assert.equal(credentials.status, 401);
assert.ok(credentials instanceof oauth.WWWAuthenticateChallengeError);
assert.equal(credentials.cause[0].scheme, 'basic');
