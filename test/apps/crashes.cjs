// An app that never comes up.
throw new Error('no database configured');
