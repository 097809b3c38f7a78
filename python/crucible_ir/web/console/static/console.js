"use strict";
// The console works without this file. It adds live updates, keys, copying and the theme at once.
