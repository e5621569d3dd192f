// What both client scripts share: the server's address and one application
// from the environment, and a way to fail.
import assert from 'node:assert/strict';

export { assert };
export const issuer = new URL(process.env.ISSUER);
export const clientId = process.env.CLIENT_ID;
export const clientSecret = process.env.CLIENT_SECRET;
export const resource = 'https://api.example/interop'; // the application's audience

// refused returns the error that a promise must end in.
export async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('it was not refused');
}
