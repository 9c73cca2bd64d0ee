// A script that does its work and ends by itself: nothing may keep it alive.
const work = setInterval(() => {}, 1000);
setTimeout(() => clearInterval(work), Number(process.env.WORK_MS ?? 2000));
