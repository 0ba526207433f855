mod access;
mod status;
mod wire;
