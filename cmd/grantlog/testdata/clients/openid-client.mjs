// openid-client configures itself from the metadata alone.
import * as client from 'openid-client';
import { assert, clientId, clientSecret, issuer, refused } from './check.mjs';

for (const algorithm of ['oauth2', 'oidc']) {
  for (const auth of [client.ClientSecretBasic(clientSecret), client.ClientSecretPost(clientSecret)]) {
    const config = await client.discovery(issuer, clientId, undefined, auth, { algorithm, execute: [client.allowInsecureRequests] });
    assert.equal(config.serverMetadata().issuer, issuer.href.replace(/\/$/, ''));

    const token = await client.clientCredentialsGrant(config, { scope: 'read:customers write:customers' });
    assert.equal(token.expiresIn() > 3500, true);
    assert.equal(token.scope, 'read:customers write:customers');

    const live = await client.tokenIntrospection(config, token.access_token);
    assert.equal(live.active, true);
    assert.equal(live.client_id, clientId);
    await client.tokenRevocation(config, token.access_token);
    assert.deepEqual(await client.tokenIntrospection(config, token.access_token), { active: false });

    const error = await refused(client.clientCredentialsGrant(config, { scope: 'not:mine' }));
    assert.equal(error.error, 'invalid_scope');
  }
}
